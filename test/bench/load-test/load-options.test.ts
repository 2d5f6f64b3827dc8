import { describe, expect, it } from "vitest";
import { checkLoadOptions, type LoadOptions } from "../../../bench/load-test/load-options.ts";
import { loadOptions } from "./support/load-options.ts";

describe("the options of a load", () => {
  it.each<Partial<LoadOptions>>([
    {},
    { metrics: 10, batchSamples: 1 },
    { metrics: 10, batchSamples: 5 },
    { metrics: 10, batchSamples: 1_000 },
    { rampMs: 1_000 },
    { samplesPerSecond: 5, batchSamples: 5 },
  ])("can be %j", (options) => {
    checkLoadOptions({ ...loadOptions, ...options });
  });

  it.each<[Partial<LoadOptions>, string]>([
    [
      { metrics: 10, batchSamples: 15 },
      "--batch-samples is 15, and a device has 10 metrics; choose whole readings (a multiple), or equal parts of one",
    ],
    [{ metrics: 10, batchSamples: 4 }, "--batch-samples is 4"],
    [
      { devices: 1_000_000, metrics: 6, batchSamples: 6 },
      "--devices is 1000000, with 6 metrics each 6000000 series, the limit is 5000000; choose fewer devices or metrics",
    ],
    [{ rampMs: 1_001 }, "--ramp is 1s1ms, and the load ends after 1s; choose a longer --duration"],
    [{ samplesPerSecond: 4 }, "--rate is 4/s, too few for one batch of 5 samples in 1s; choose a higher rate"],
    [{ idPrefix: "" }, "--id-prefix is empty"],
  ])("cannot be %j", (options, message) => {
    expect(() => checkLoadOptions({ ...loadOptions, ...options })).toThrow(message);
  });
});
