import type { Clock } from "../lib/base/clock.ts";
import { snapshotMsMax } from "../lib/base/limits.ts";
import type { SqliteReader } from "../lib/store/sqlite/sqlite-reader.ts";
import type { OpenWindows, Revision, Selection } from "../lib/store/store.ts";
import { encodeFrame } from "../lib/wire/frame-encoder.ts";
import { type AnswerPage, type AnswerRequest, RangeAnswer } from "./range-answer.ts";
import type { EncodedPage, RangeStart } from "./reader-messages.ts";

interface OpenRange {
  readonly reader: SqliteReader;
  readonly request: AnswerRequest;
  readonly answer: RangeAnswer;
  /** When its snapshot began; undefined: it has been let go. */
  snapshotMs: number | undefined;
}

/** Connections that are kept for the next ranges. */
const idleReadersMax = 4;

/**
 * The ranges that a reader thread is reading, each in a snapshot on a connection of its own. One that takes long lets
 * its snapshot go: from then on each page shows what is stored by then.
 */
export class OpenRanges {
  readonly #openReader: () => SqliteReader;
  readonly #clock: Clock;
  readonly #ranges = new Map<number, OpenRange>();
  readonly #idle: SqliteReader[] = [];

  constructor(openReader: () => SqliteReader, clock: Clock) {
    this.#openReader = openReader;
    this.#clock = clock;
  }

  open(range: number, request: AnswerRequest, selection: Selection, open: OpenWindows | undefined): RangeStart {
    const reader = this.#idle.pop() ?? this.#openReader();
    try {
      const commits = reader.beginSnapshot();
      const answer = new RangeAnswer(reader, request, selection, open);
      this.#ranges.set(range, { reader, request, answer, snapshotMs: this.#clock.elapsedMs() });
      const { storedUntilMs, completeUntilMs } = answer;
      return { exact: open?.commits === commits, storedUntilMs, completeUntilMs };
    } catch (error) {
      this.#putBack(reader);
      throw error;
    }
  }

  /** @returns undefined when everything has been read, or the range is not open */
  nextPage(range: number, windowsMax: number): AnswerPage | undefined {
    return this.#ranges.get(range)?.answer.next(windowsMax);
  }

  /** The next page as the bytes of a WindowFrame that tells this revision. */
  nextFrame(range: number, windowsMax: number, revision: Revision): EncodedPage | undefined {
    const open = this.#ranges.get(range);
    const page = open?.answer.next(windowsMax);
    if (open === undefined || page === undefined) return undefined;
    const { widthMs, aggregates } = open.request;
    const { windows, series, quantileValues } = page;
    const frame = encodeFrame({ widthMs, revision, series }, windows, aggregates, quantileValues);
    return { windows: windows.length, frame };
  }

  close(range: number): void {
    const open = this.#ranges.get(range);
    this.#ranges.delete(range);
    if (open !== undefined) this.#putBack(open.reader);
  }

  /** Lets snapshots go that are held for too long. Call it now and then. */
  expire(): void {
    for (const open of this.#ranges.values()) {
      if (open.snapshotMs === undefined || this.#clock.elapsedMs() - open.snapshotMs < snapshotMsMax) continue;
      open.snapshotMs = undefined;
      open.reader.endSnapshot();
    }
  }

  closeAll(): void {
    for (const range of [...this.#ranges.keys()]) this.close(range);
    for (const reader of this.#idle) reader.close();
  }

  #putBack(reader: SqliteReader): void {
    reader.endSnapshot();
    if (this.#idle.length < idleReadersMax) this.#idle.push(reader);
    else reader.close();
  }
}
