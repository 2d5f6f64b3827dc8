import type { Tier } from "../lib/aggregate/tiers.ts";
import type { ThreadCall } from "../lib/base/thread-calls.ts";
import type { DeviceDetail, DeviceFilter, StandingMark } from "../lib/store/registry.ts";
import type { Selector } from "../lib/store/selector.ts";
import type { DeviceRow, SeriesPosition, SeriesRow } from "../lib/store/store.ts";
import type { AnswerPage, AnswerRequest } from "./range-answer.ts";

/** What a reader thread is started with. */
export interface ReaderOptions {
  readonly dataDir: string;
  readonly tiers: readonly Tier[];
}

/** What can be asked of a reader thread: `AggregateReader`, with ranges named by number. */
export interface ReaderCalls {
  devices(after: string, limit: number, filter?: DeviceFilter): DeviceRow[];
  devicesOf(deviceIds: readonly string[], marks: readonly StandingMark[]): DeviceRow[];
  deviceDetail(deviceId: string, marks: readonly StandingMark[]): DeviceDetail | undefined;
  series(selector: Selector, after: SeriesPosition | undefined, limit: number): SeriesRow[];
  unknownDevices(deviceIds: readonly string[]): string[];
  openRange(range: number, request: AnswerRequest): void;
  nextPage(range: number, windowsMax: number): AnswerPage | undefined;
  closeRange(range: number): void;
}

export type ToReader = ThreadCall<ReaderCalls> | { readonly name: "close" };
