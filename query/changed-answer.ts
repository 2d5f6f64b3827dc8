import { createSketchTable } from "../lib/aggregate/sketch-table.ts";
import { setState, watermarkOf } from "../lib/aggregate/watermark.ts";
import type { AggregateReader, ChangedReader, ChangedRequest } from "../lib/store/store.ts";
import { quantilesOf } from "../lib/wire/window-frame.ts";
import type { AnswerPage } from "./range-answer.ts";

/** What a subscription asks for that was away. */
export interface ChangedAnswerRequest extends ChangedRequest {
  readonly quantiles: readonly number[];
  /** The server's time, for the states of the windows. */
  readonly nowMs: number;
  readonly latenessMs: number;
}

/** What changed since a commit, with all that is derived: states and quantiles. */
export class ChangedAnswer {
  readonly #reader: AggregateReader;
  readonly #changed: ChangedReader;
  readonly #request: ChangedAnswerRequest;
  /** By series: `Device.id`. */
  readonly #devices = new Map<number, number>();
  /** By `Device.id`. */
  readonly #watermarksMs = new Map<number, number>();

  constructor(reader: AggregateReader, request: ChangedAnswerRequest) {
    this.#reader = reader;
    this.#request = request;
    this.#changed = reader.openChanged(request);
  }

  /** @returns undefined when everything has been read */
  next(windowsMax: number): AnswerPage | undefined {
    const page = this.#changed.next(windowsMax);
    if (page === undefined) return undefined;
    const { windows, series } = page;
    for (const { id, device } of series) this.#devices.set(id, device);
    this.#readWatermarks(series.map(({ device }) => device));
    for (let i = 0; i < windows.length; i += 1) {
      const watermarkMs = this.#watermarksMs.get(this.#devices.get(windows.series[i]) ?? 0);
      setState(windows, i, this.#request.widthMs, watermarkMs ?? Number.NEGATIVE_INFINITY);
    }
    const quantileValues = quantilesOf(windows, this.#request.quantiles);
    windows.sketches = createSketchTable(1);
    return { windows, series, quantileValues };
  }

  #readWatermarks(of: readonly number[]): void {
    const unknown = new Set(of.filter((device) => !this.#watermarksMs.has(device)));
    if (unknown.size === 0) return;
    const { devices, lastSeenMs, latestEventMs } = this.#reader.progress(Int32Array.from(unknown).sort());
    const unlessNever = (ms: number) => (Number.isNaN(ms) ? undefined : ms);
    for (let i = 0; i < devices.length; i += 1) {
      const progress = { lastSeenAtMs: unlessNever(lastSeenMs[i]), latestEventMs: unlessNever(latestEventMs[i]) };
      this.#watermarksMs.set(devices[i], watermarkOf(progress, this.#request.nowMs, this.#request.latenessMs));
    }
  }
}
