import { Prng } from "../lib/base/prng.ts";
import { signalsFor } from "./signal.ts";

/** What a device measures at one time. */
export interface Reading {
  readonly timeMs: number;
  /** One per metric; NaN: none. */
  readonly values: Float64Array;
}

/** What decides the readings of a device. */
export interface ReadingsChoice {
  /** Metrics per device. */
  readonly metrics: number;
  /** Event time between two readings of a device. */
  readonly intervalMs: number;
  readonly seed: number;
  /** Event time of the first reading of each device. */
  readonly startMs: number;
  /** Whole numbers only: their sums are exact in any order. */
  readonly integers: boolean;
}

/**
 * The readings of a device, in the order of their times: equal choices give equal ones, whatever becomes of them.
 * @param valuesMax where it ends, maybe inside a reading
 */
export function* readingsOf(
  device: number,
  { metrics, intervalMs, seed, startMs, integers }: ReadingsChoice,
  valuesMax = Number.POSITIVE_INFINITY,
): Generator<Reading, void> {
  const next = signalsFor(metrics).map((signal) => signal.start(new Prng(seed, `device ${device} ${signal.name}`)));
  for (let row = 0; row * metrics < valuesMax; row += 1) {
    const timeMs = startMs + row * intervalMs;
    const values = new Float64Array(metrics);
    for (let i = 0; i < metrics; i += 1) {
      const value = next[i](timeMs);
      values[i] = integers ? Math.round(value * 100) : value;
    }
    yield { timeMs, values: values.fill(Number.NaN, valuesMax - row * metrics) };
  }
}
