import type { Window } from "../../../lib/wire/frame-reader.ts";

/** A window of 10 s with one sample, unless told otherwise. */
export function windowOf(values: Partial<Window> = {}): Window {
  const value = values.sum ?? 1;
  return {
    deviceId: "d",
    metric: "m",
    tierMs: 10_000,
    startMs: 0,
    count: 1,
    sum: value,
    min: value,
    max: value,
    first: value,
    last: value,
    deviation: 0,
    increase: Number.NaN,
    increaseDurationMs: 0,
    increaseApproximate: false,
    state: "final",
    quantiles: [value, value],
    metricKind: "gauge",
    group: {},
    ...values,
  };
}
