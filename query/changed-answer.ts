import { createSketchTable } from "../lib/aggregate/sketch-table.ts";
import { setState } from "../lib/aggregate/watermark.ts";
import type { AggregateReader, ChangedRequest, RangeReader, SeriesRow } from "../lib/store/store.ts";
import { quantilesOf } from "../lib/wire/window-frame.ts";
import { DeviceWatermarks } from "./device-watermarks.ts";
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
  readonly #changed: RangeReader;
  readonly #request: ChangedAnswerRequest;
  readonly #watermarks: DeviceWatermarks;
  readonly #series = new Map<number, SeriesRow>();

  constructor(reader: AggregateReader, request: ChangedAnswerRequest) {
    this.#request = request;
    this.#changed = reader.openChanged(request);
    this.#watermarks = new DeviceWatermarks(reader, request);
  }

  /** @returns undefined when everything has been read */
  next(windowsMax: number): AnswerPage | undefined {
    const page = this.#changed.next(windowsMax);
    if (page === undefined) return undefined;
    const { windows, series } = page;
    for (const row of series) this.#series.set(row.id, row);
    for (let i = 0; i < windows.length; i += 1) {
      const row = this.#series.get(windows.series[i]);
      if (row !== undefined) setState(windows, i, this.#request.widthMs, this.#watermarks.of(row.device));
    }
    const quantileValues = quantilesOf(windows, this.#request.quantiles);
    windows.sketches = createSketchTable(1);
    return { windows, series, quantileValues };
  }
}
