import { signalsFor } from "../../device-sim/signal.ts";
import { Prng } from "../../lib/base/prng.ts";
import type { Table } from "../../lib/wire/batch-encoder.ts";
import type { LoadOptions } from "./load-options.ts";
import { SeriesTotals } from "./series-totals.ts";

/** Values of gauges differ by so much, those of a counter grow by so much at most. */
const gaugeSpread = 1_000;
const counterStep = 10;

/**
 * Makes the batches of a load's devices, and keeps count of them. All values are whole numbers, so that their sums are
 * exact in any order. Series `device * metrics + metric`, both from 0.
 */
export class LoadReadings {
  /** What was made, per series. */
  readonly made: SeriesTotals;
  /** Readings whose time was earlier than their turn. */
  late = 0;
  readonly #options: LoadOptions;
  readonly #prng: Prng;
  readonly #isCounter: readonly boolean[];
  /** Metrics in a batch, and readings. */
  readonly #width: number;
  readonly #rows: number;
  /** Event time between two readings of a device. */
  readonly #intervalMs: number;
  /** By part of a reading. */
  readonly #handles: readonly (readonly number[])[];
  readonly #timesMs: Float64Array;
  readonly #offsetsMs: Float64Array;
  readonly #values: Float64Array;

  constructor(options: LoadOptions) {
    const { devices, metrics, batchSamples, samplesPerSecond, seed } = options;
    this.#options = options;
    this.#prng = new Prng(seed, "readings");
    this.made = new SeriesTotals(devices * metrics);
    this.#isCounter = signalsFor(metrics).map(({ kind }) => kind === "counter");
    this.#width = Math.min(metrics, batchSamples);
    this.#rows = batchSamples / this.#width;
    this.#intervalMs = (1_000 * devices * metrics) / samplesPerSecond;
    this.#handles = Array.from({ length: metrics / this.#width }, (_, part) =>
      Array.from({ length: this.#width }, (_, i) => part * this.#width + i + 1),
    );
    this.#timesMs = new Float64Array(this.#rows);
    this.#offsetsMs = new Float64Array(this.#rows);
    this.#values = new Float64Array(batchSamples);
  }

  /** How far before its turn a reading of a batch can be. */
  get reachMs(): number {
    const { lateRate, lateMsMax } = this.#options;
    return (lateRate > 0 ? lateMsMax : 0) + this.#rows * this.#intervalMs;
  }

  /**
   * The device's next batch, whose last reading is of `timeMs`.
   * @param index from 0
   * @returns valid until the next call
   */
  make(device: number, index: number, timeMs: number): Table {
    const metricHandles = this.#handles[index % this.#handles.length];
    const baseTimeMs = this.#makeTimes(timeMs);
    const rows = this.#rows;
    for (let row = 0; row < rows; row += 1) this.#offsetsMs[row] = this.#timesMs[row] - baseTimeMs;
    let at = 0;
    for (const handle of metricHandles) {
      const series = device * this.#options.metrics + handle - 1;
      for (let row = 0; row < rows; row += 1) {
        const value = this.#valueOf(series, handle - 1);
        this.#values[at++] = value;
        this.made.add(series, value);
      }
    }
    return { metricHandles, baseTimeMs, offsetsMs: this.#offsetsMs, values: this.#values };
  }

  /** @returns the earliest */
  #makeTimes(timeMs: number): number {
    const { lateRate, lateMsMax } = this.#options;
    let earliestMs = Number.POSITIVE_INFINITY;
    for (let row = 0; row < this.#rows; row += 1) {
      let rowMs = timeMs - (this.#rows - 1 - row) * this.#intervalMs;
      if (lateRate > 0 && this.#prng.uniform() < lateRate) {
        rowMs -= (1 - this.#prng.uniform()) * lateMsMax;
        this.late += 1;
      }
      this.#timesMs[row] = Math.floor(rowMs);
      earliestMs = Math.min(earliestMs, this.#timesMs[row]);
    }
    return earliestMs;
  }

  #valueOf(series: number, metric: number): number {
    if (this.#isCounter[metric]) return Math.max(0, this.made.maxs[series]) + this.#prng.below(counterStep);
    return (1 + (metric % 10)) * gaugeSpread + this.#prng.below(gaugeSpread);
  }
}
