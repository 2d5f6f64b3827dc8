import type { Tier } from "../lib/aggregate/tiers.ts";
import type { ThreadCall } from "../lib/base/thread-calls.ts";
import type { DeviceDetail, DeviceFilter, StandingMark } from "../lib/store/registry.ts";
import type { Selector } from "../lib/store/selector.ts";
import type { DeviceRow, OpenWindows, Revision, Selection, SeriesPosition, SeriesRow } from "../lib/store/store.ts";
import type { ChangedAnswerRequest } from "./changed-answer.ts";
import type { AnswerPage, AnswerRequest } from "./range-answer.ts";
import type { SampleRequest } from "./sample-answer.ts";

/** What a reader thread is started with. */
export interface ReaderOptions {
  readonly dataDir: string;
  readonly tiers: readonly Tier[];
}

/** What a range has begun with. */
export interface RangeStart {
  /** It shows just the revision of its open windows: nothing was stored between their copy and its snapshot. */
  readonly exact: boolean;
  /** Infinity: all of its windows are read as they are stored. */
  readonly storedUntilMs: number;
  /** Undefined: nothing is final for all selected devices. */
  readonly completeUntilMs: number | undefined;
}

/** A part of a range as the bytes of a WindowFrame. */
export interface EncodedPage {
  readonly windows: number;
  readonly frame: Uint8Array;
}

/** A part of an answer of samples as the bytes of a SampleFrame. */
export interface EncodedSamples {
  readonly samples: number;
  /** As `SamplePage` tells it. */
  readonly keptFromMs: number | undefined;
  readonly frame: Uint8Array;
}

/** What can be asked of a reader thread: `AggregateReader`, with ranges named by number, and samples of the journal. */
export interface ReaderCalls {
  devices(after: string, limit: number, filter?: DeviceFilter): DeviceRow[];
  devicesOf(deviceIds: readonly string[], marks: readonly StandingMark[]): DeviceRow[];
  deviceCount(): number;
  deviceDetail(deviceId: string, marks: readonly StandingMark[]): DeviceDetail | undefined;
  series(selector: Selector, after: SeriesPosition | undefined, limit: number): SeriesRow[];
  unknownDevices(deviceIds: readonly string[]): string[];
  select(selector: Selector): Selection;
  /** Begins a snapshot, and a range in it. @param open undefined: the tables show everything */
  openRange(range: number, request: AnswerRequest, selection: Selection, open: OpenWindows | undefined): RangeStart;
  nextPage(range: number, windowsMax: number): AnswerPage | undefined;
  /** @param revision to write into the frame */
  nextFrame(range: number, windowsMax: number, revision: Revision): EncodedPage | undefined;
  closeRange(range: number): void;
  /** What changed since a commit, named by number like a range. */
  openChanged(range: number, request: ChangedAnswerRequest): void;
  nextChanged(range: number, windowsMax: number): AnswerPage | undefined;
  closeChanged(range: number): void;
  openSamples(samples: number, request: SampleRequest): void;
  nextSamples(samples: number, samplesMax: number): EncodedSamples | undefined;
  closeSamples(samples: number): void;
}

export type ToReader = ThreadCall<ReaderCalls> | { readonly name: "close" };
