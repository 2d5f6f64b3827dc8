import type { ServerAt } from "../../cli/server-flags.ts";
import type { UplinkMode } from "../../device-sim/uplink/uplink.ts";
import { formatDuration } from "../../lib/base/duration.ts";
import { invalidField } from "../../lib/base/errors.ts";
import type { LoadArrival } from "./due-times.ts";

export interface LoadOptions {
  readonly server: ServerAt;
  readonly samplesPerSecond: number;
  readonly devices: number;
  /** Per device. */
  readonly metrics: number;
  /** A multiple of `metrics`, or a divisor. */
  readonly batchSamples: number;
  readonly connections: number;
  readonly mode: UplinkMode;
  readonly durationMs: number;
  readonly rampMs: number;
  readonly drainMs: number;
  readonly arrival: LoadArrival;
  readonly seed: number;
  /** Begins the ids of the load's devices, and of no others. */
  readonly idPrefix: string;
  /** Chance per second that a connection is cut. */
  readonly cutRate: number;
  /** Share of the batches that are sent again. */
  readonly resendRate: number;
  /** Share of the readings whose time is up to `lateMsMax` earlier than their turn. */
  readonly lateRate: number;
  readonly lateMsMax: number;
}

/** What was sent is held in memory per series: 32 bytes, and as much again when it is verified. */
const seriesMax = 5_000_000;

/** @throws TelemetryError when the options do not fit together */
export function checkLoadOptions(options: LoadOptions): void {
  const { devices, metrics, batchSamples, samplesPerSecond, durationMs, rampMs, idPrefix } = options;
  if (batchSamples % metrics !== 0 && metrics % batchSamples !== 0) {
    throw invalidField(
      "--batch-samples",
      `is ${batchSamples}, and a device has ${metrics} metrics`,
      "choose whole readings (a multiple), or equal parts of one (a divisor)",
    );
  }
  if (devices * metrics > seriesMax) {
    throw invalidField(
      "--devices",
      `is ${devices}, with ${metrics} metrics each ${devices * metrics} series, the limit is ${seriesMax}`,
      "choose fewer devices or metrics",
    );
  }
  if (rampMs > durationMs) {
    const limit = formatDuration(durationMs);
    throw invalidField(
      "--ramp",
      `is ${formatDuration(rampMs)}, and the load ends after ${limit}`,
      "choose a longer --duration",
    );
  }
  if ((samplesPerSecond * (durationMs - rampMs / 2)) / 1_000 < batchSamples) {
    throw invalidField(
      "--rate",
      `is ${samplesPerSecond}/s, too few for one batch of ${batchSamples} samples in ${formatDuration(durationMs)}`,
      "choose a higher rate, a longer --duration or a smaller --batch-samples",
    );
  }
  if (idPrefix === "")
    throw invalidField("--id-prefix", "is empty", "choose one that no other device's id begins with");
}
