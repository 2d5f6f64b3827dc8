import type { Tier } from "../lib/aggregate/tiers.ts";
import type { ThreadCall } from "../lib/base/thread-calls.ts";
import type { Selector } from "../lib/store/selector.ts";
import type { DeviceRow, SeriesPosition, SeriesRow } from "../lib/store/store.ts";
import type { AnswerPage, AnswerRequest } from "./range-answer.ts";
import type { SamplePage, SampleRequest } from "./sample-answer.ts";

/** What a reader thread is started with. */
export interface ReaderOptions {
  readonly dataDir: string;
  readonly tiers: readonly Tier[];
}

/** What can be asked of a reader thread: `AggregateReader`, with ranges named by number, and samples of the journal. */
export interface ReaderCalls {
  devices(after: string, limit: number): DeviceRow[];
  series(selector: Selector, after: SeriesPosition | undefined, limit: number): SeriesRow[];
  unknownDevices(deviceIds: readonly string[]): string[];
  openRange(range: number, request: AnswerRequest): void;
  nextPage(range: number, windowsMax: number): AnswerPage | undefined;
  closeRange(range: number): void;
  openSamples(samples: number, request: SampleRequest): void;
  nextSamples(samples: number, samplesMax: number): SamplePage | undefined;
  closeSamples(samples: number): void;
}

export type ToReader = ThreadCall<ReaderCalls> | { readonly name: "close" };
