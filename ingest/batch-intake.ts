import type { WindowSet } from "../lib/aggregate/window-set.ts";
import { BatchDecoder } from "../lib/wire/batch-decoder.ts";
import { noSeries } from "./refused-handles.ts";
import { SampleCheck, type SampleRefusal, type TimeBounds } from "./sample-check.ts";

/** Takes a batch from its bytes into windows: the same way when it comes in, and when the journal is replayed. */
export class BatchIntake {
  readonly #decoder = new BatchDecoder();
  readonly #check = new SampleCheck();

  setBounds(bounds: TimeBounds): void {
    this.#check.setBounds(bounds);
  }

  /**
   * Decodes and checks `bytes[start..end]`; it then waits for `addTo`.
   * @param handles series ids by metric handle
   * @returns what of it does not count
   * @throws BatchRefused when none of it can be used
   */
  read(bytes: Uint8Array, start: number, end: number, handles: ReadonlyMap<number, number>): readonly SampleRefusal[] {
    this.#decoder.decode(bytes, start, end);
    return this.#check.check(this.#decoder, handles);
  }

  /** Adds the batch that was read. @returns the number of samples */
  addTo(windows: WindowSet): number {
    const { metricStart, timeStart, valueStart, timesMs, values, tableCount } = this.#decoder;
    const { seriesOfMetric } = this.#check;
    let added = 0;
    for (let table = 0; table < tableCount; table += 1) {
      const from = timeStart[table];
      const to = timeStart[table + 1];
      let valueAt = valueStart[table];
      for (let metric = metricStart[table]; metric < metricStart[table + 1]; metric += 1) {
        if (seriesOfMetric[metric] !== noSeries)
          added += windows.add(seriesOfMetric[metric], timesMs, from, to, values, valueAt);
        valueAt += to - from;
      }
    }
    return added;
  }
}
