import type { LoadOptions } from "../../../../bench/load-test/load-options.ts";

/** A small load that is over in a second. */
export const loadOptions: LoadOptions = {
  server: { address: "127.0.0.1:0", options: {} },
  samplesPerSecond: 2_000,
  devices: 4,
  metrics: 5,
  batchSamples: 5,
  connections: 2,
  mode: "stream",
  durationMs: 1_000,
  rampMs: 0,
  drainMs: 20_000,
  arrival: "constant",
  seed: 1,
  idPrefix: "load-",
  cutRate: 0,
  resendRate: 0,
  lateRate: 0,
  lateMsMax: 300_000,
};
