import { TelemetryError } from "../lib/base/errors.ts";
import { frameSamplesMax, frameWindowsMax, rangesMax, rangesWaitingMax, readerThreads } from "../lib/base/limits.ts";
import { Slots } from "../lib/base/slots.ts";
import type { OpenWindows, Revision, Selection } from "../lib/store/store.ts";
import type { ChangedAnswerRequest } from "./changed-answer.ts";
import type { AnswerPage, AnswerRequest } from "./range-answer.ts";
import type { EncodedPage, EncodedSamples, RangeStart, ReaderCalls, ReaderOptions } from "./reader-messages.ts";
import { ReaderWorker } from "./reader-worker.ts";
import type { SampleRequest } from "./sample-answer.ts";

/** Windows that are being read. Close it, once, also when they have been read to the end. */
export interface ReadingPages {
  /** @returns undefined when everything has been read */
  nextPage(windowsMax: number): Promise<AnswerPage | undefined>;
  close(): void;
}

/** A range that is being read: its first page always comes. */
export interface ReadingRange extends ReadingPages {
  readonly start: RangeStart;
  /** The next page as bytes of a WindowFrame. */
  nextFrame(windowsMax: number, revision: Revision): Promise<EncodedPage | undefined>;
}

/** Reads the store on threads of their own, so that a heavy query never holds up an ack. */
export class Reader {
  /** Rejects when one of its threads has ended by a fault. */
  readonly failed: Promise<never>;
  readonly #workers: readonly ReaderWorker[];
  readonly #slots = new Slots(rangesMax, rangesWaitingMax, tooManyRanges);
  #nextRange = 1;

  constructor(options: ReaderOptions) {
    this.#workers = Array.from({ length: readerThreads }, () => new ReaderWorker(options));
    this.failed = Promise.race(this.#workers.map((worker) => worker.failed));
    this.failed.catch(() => {});
  }

  /** Asks the thread that reads the fewest ranges. */
  call<K extends keyof ReaderCalls>(name: K, ...args: Parameters<ReaderCalls[K]>): Promise<ReturnType<ReaderCalls[K]>> {
    return this.#idlest().call(name, ...args);
  }

  /**
   * Waits until there are few enough ranges for another one.
   * @returns what to call when it has been read
   * @throws TelemetryError RESOURCE_EXHAUSTED when too many wait, CANCELLED when the signal is aborted
   */
  turn(signal: AbortSignal): Promise<() => void> {
    return this.#slots.take(signal);
  }

  /** Begins a snapshot, and a range in it. @param open undefined: the tables show everything */
  async openRange(request: AnswerRequest, selection: Selection, open: OpenWindows | undefined): Promise<ReadingRange> {
    const worker = this.#idlest();
    worker.ranges += 1;
    const range = this.#nextRange++;
    const close = () => {
      worker.ranges -= 1;
      // Not awaited: the thread may have ended.
      worker.call("closeRange", range).catch(() => {});
    };
    try {
      const start = await worker.call("openRange", range, request, selection, open);
      return {
        start,
        nextPage: (windowsMax) => worker.call("nextPage", range, windowsMax),
        nextFrame: (windowsMax, revision) => worker.call("nextFrame", range, windowsMax, revision),
        close,
      };
    } catch (error) {
      close();
      throw error;
    }
  }

  /** The pages of what is stored of a range. */
  async *range(request: AnswerRequest): AsyncGenerator<AnswerPage, void> {
    const reading = await this.openRange(request, await this.call("select", request.selector), undefined);
    try {
      for (;;) {
        const page = await reading.nextPage(frameWindowsMax);
        if (page === undefined) return;
        yield page;
      }
    } finally {
      reading.close();
    }
  }

  /** Begins to read what changed since a commit, each page as it is when it is asked for. */
  async openChanged(request: ChangedAnswerRequest): Promise<ReadingPages> {
    const worker = this.#idlest();
    worker.ranges += 1;
    const range = this.#nextRange++;
    const close = () => {
      worker.ranges -= 1;
      worker.call("closeChanged", range).catch(() => {});
    };
    try {
      await worker.call("openChanged", range, request);
    } catch (error) {
      close();
      throw error;
    }
    return { nextPage: (windowsMax) => worker.call("nextChanged", range, windowsMax), close };
  }

  /** The samples of a selection, each page read when it is asked for. */
  async *samples(request: SampleRequest, signal: AbortSignal): AsyncGenerator<EncodedSamples, void> {
    const giveBack = await this.turn(signal);
    const worker = this.#idlest();
    const samples = this.#nextRange++;
    worker.ranges += 1;
    try {
      await worker.call("openSamples", samples, request);
      for (;;) {
        const page = await worker.call("nextSamples", samples, frameSamplesMax);
        if (page === undefined) return;
        yield page;
      }
    } finally {
      worker.ranges -= 1;
      giveBack();
      // Not awaited: the thread may have ended.
      worker.call("closeSamples", samples).catch(() => {});
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.close()));
  }

  #idlest(): ReaderWorker {
    return this.#workers.reduce((idlest, worker) => (worker.ranges < idlest.ranges ? worker : idlest));
  }
}

function tooManyRanges(): TelemetryError {
  return new TelemetryError(
    "RESOURCE_EXHAUSTED",
    "TOO_MANY_QUERIES",
    `${rangesMax} ranges are being read and ${rangesWaitingMax} wait; ask again later, for fewer series, a coarser tier or less time`,
    { quota: "server:queries", retryAfterMs: 1_000 },
  );
}
