import { provisionalState } from "../lib/aggregate/watermark.ts";
import type { WindowTable } from "../lib/aggregate/window-table.ts";
import {
  frameWindowsMax,
  liveQuantileBytes,
  liveWindowBytes,
  selectionBytesMax,
  selectionPagesMax,
} from "../lib/base/limits.ts";
import type { LiveFeed, LiveFilter, LiveListener } from "../lib/store/live-feed.ts";
import type { Revision } from "../lib/store/store.ts";
import { encodeFrame, type FrameColumns } from "../lib/wire/frame-encoder.ts";
import { LiveWindows } from "./live-windows.ts";
import { ProvisionalStarts } from "./provisional-starts.ts";
import type { ChangesPlace } from "./resume-token.ts";
import { SendTimes } from "./send-times.ts";

/** What subscribers of one selection have in common. */
export interface SelectionRequest extends LiveFilter {
  readonly quantiles: readonly number[];
  readonly columns: FrameColumns;
}

/** A subscriber, as its selection knows it. */
export interface SelectionReader {
  /** Number of the latest change that it has been sent, or need not be. */
  cursor: number;
  /** Called when what it waits for may have happened. */
  wake: { readonly for: "changes" | "update" | "end"; readonly call: () => void } | undefined;
}

/** Some changes, encoded once for all who are to be sent just these. */
export interface LivePage {
  /** Number of the last change in it. */
  readonly to: number;
  /** A WindowFrame without its series: bytes of a message can be put behind each other. */
  readonly frame: Uint8Array;
  /** Ids of the series in it. */
  readonly series: ReadonlySet<number>;
  /** A whole message made of it, for those who know all of its series: see `subscriber.ts`. */
  message: { readonly token: Uint8Array; readonly bytes: Uint8Array } | undefined;
}

/**
 * What changed of a selection, for all of its subscribers: the latest value of each window that changed and has not been
 * sent to all of them. Each change has a number, so that a subscriber is a cursor: what it gets is what changed after it,
 * conflated to the latest, and one that is slow holds no memory of its own. When there is more than the budget, the
 * longest unchanged go, and who had not got them reads the store.
 */
export class LiveSelection implements LiveListener {
  readonly request: SelectionRequest;
  readonly #feed: LiveFeed;
  readonly #tier: number;
  readonly #windows: LiveWindows;
  readonly #windowsMax: number;
  readonly #windowBytes: number;
  readonly #provisional = new ProvisionalStarts();
  readonly #readers = new Set<SelectionReader>();
  readonly #ordinals = new Map<number, number>();
  readonly #sendTimes = new Map<number, SendTimes>();
  readonly #pages = new Map<number, LivePage>();
  readonly #onEncoded: () => void;
  #subscribed: { readonly revision: Revision; end(): void } | undefined;
  #lastChange = 0;
  #droppedThrough = 0;
  /** Windows have come with the update that is being told. */
  #changed = false;

  /**
   * @param tier its index
   * @param onEncoded told of each frame that is encoded
   */
  constructor(request: SelectionRequest, tier: number, feed: LiveFeed, onEncoded: () => void) {
    this.request = request;
    this.#tier = tier;
    this.#feed = feed;
    this.#onEncoded = onEncoded;
    this.#windows = new LiveWindows(request.widthMs, request.quantiles);
    this.#windowBytes = liveWindowBytes + request.quantiles.length * liveQuantileBytes;
    this.#windowsMax = Math.floor(selectionBytesMax / this.#windowBytes);
  }

  /** Resolves when every later change is told. */
  async start(): Promise<void> {
    this.#subscribed = await this.#feed.subscribe(this.request, this);
  }

  /** Nobody reads it any more. */
  end(): void {
    this.#subscribed?.end();
  }

  /** Memory of the windows that wait for some subscriber. */
  get bytes(): number {
    this.#dropPassed();
    return this.#windows.length * this.#windowBytes;
  }

  /** Number of the latest change. */
  get lastChange(): number {
    return this.#lastChange;
  }

  get readers(): Iterable<SelectionReader> {
    return this.#readers;
  }

  /** A subscriber that is to be sent what changes from now on. */
  join(): SelectionReader {
    const reader: SelectionReader = { cursor: this.#lastChange, wake: undefined };
    this.#readers.add(reader);
    return reader;
  }

  leave(reader: SelectionReader): void {
    this.#readers.delete(reader);
  }

  /** Whether something that it was to be sent is not here any more. */
  isBehind({ cursor }: SelectionReader): boolean {
    return cursor < this.#droppedThrough;
  }

  /** Where a subscriber is who has been sent everything. */
  get place(): ChangesPlace {
    const { revision, provisionalFromMs } = this.#feed.latest;
    return {
      kind: "changes",
      revision: Math.max(revision, this.#subscribed?.revision ?? 0),
      fromMs: this.#provisional.earliestMs ?? provisionalFromMs[this.#tier] ?? Number.NEGATIVE_INFINITY,
    };
  }

  /** A subscriber has been shown this window as provisional, by the store. */
  showedProvisional(series: number, startMs: number): void {
    this.#provisional.set(series, startMs, true);
  }

  /** Small numbers for series, in the order in which they are asked for. */
  ordinalOf(series: number): number {
    let ordinal = this.#ordinals.get(series);
    if (ordinal === undefined) {
      ordinal = this.#ordinals.size;
      this.#ordinals.set(series, ordinal);
    }
    return ordinal;
  }

  sendTimes(intervalMs: number): SendTimes {
    let times = this.#sendTimes.get(intervalMs);
    if (times === undefined) {
      times = new SendTimes(intervalMs);
      this.#sendTimes.set(intervalMs, times);
    }
    return times;
  }

  /** The first changes after a cursor that is not behind; undefined when there are none. */
  pageAfter(cursor: number): LivePage | undefined {
    const known = this.#pages.get(cursor);
    if (known !== undefined) return known;
    const changed = this.#windows.after(cursor, frameWindowsMax);
    if (changed === undefined) return undefined;
    const { windows, quantileValues, lastChange } = changed;
    const { widthMs, columns } = this.request;
    const head = { widthMs, revision: this.place.revision, series: [] };
    const page: LivePage = {
      to: lastChange,
      frame: encodeFrame(head, windows, columns, quantileValues),
      series: new Set(windows.series.subarray(0, windows.length)),
      message: undefined,
    };
    this.#onEncoded();
    this.#pages.set(cursor, page);
    for (const oldest of this.#pages.keys()) {
      if (this.#pages.size <= selectionPagesMax) break;
      this.#pages.delete(oldest);
    }
    return page;
  }

  onWindow(windows: WindowTable, at: number): void {
    if (!this.#changed) this.#begin();
    this.#lastChange += 1;
    this.#windows.put(windows, at, this.#lastChange);
    this.#provisional.set(windows.series[at], windows.starts[at], windows.states[at] === provisionalState);
    if (this.#windows.length <= this.#windowsMax) return;
    // A quarter at once: to find the oldest takes a look at all.
    this.#droppedThrough = this.#windows.changeOfOldest(Math.ceil(this.#windowsMax / 4));
    this.#windows.dropThrough(this.#droppedThrough);
  }

  onUpdate(): void {
    for (const { wake } of this.#readers)
      if (wake !== undefined && (this.#changed || wake.for === "update")) wake.call();
    this.#changed = false;
  }

  onUnselected(series: number): void {
    this.#provisional.drop(series);
    this.#windows.drop(series);
    this.#pages.clear();
  }

  /** An update with windows of it has come. */
  #begin(): void {
    this.#changed = true;
    this.#pages.clear();
    this.#dropPassed();
  }

  /** Lets go of what everyone has been sent. */
  #dropPassed(): void {
    let passed = this.#lastChange;
    for (const { cursor } of this.#readers) passed = Math.min(passed, cursor);
    this.#windows.dropThrough(passed);
  }
}
