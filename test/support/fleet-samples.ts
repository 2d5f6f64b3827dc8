import { Disorder } from "../../device-sim/disorder.ts";
import type { FleetOptions } from "../../device-sim/fleet.ts";
import { readingsOf } from "../../device-sim/readings.ts";
import { signalsFor } from "../../device-sim/signal.ts";
import type { OracleSample } from "./oracle.ts";

/**
 * The samples that a fleet sends, in the order of their times and as if nothing were late: what a server must have
 * counted at its end, whatever the disorder. `batches` is needed.
 */
export function fleetSamples(options: FleetOptions): OracleSample[] {
  return Array.from({ length: options.devices }, (_, device) => [...samplesOfDevice(device, options)]).flat();
}

function* samplesOfDevice(index: number, options: FleetOptions): Generator<OracleSample> {
  const { metrics, batches = 0, batchSamples, seed, disorder, idPrefix, devices } = options;
  const names = signalsFor(metrics).map(({ name }) => name);
  const device = `${idPrefix}${String(index + 1).padStart(Math.max(4, String(devices).length), "0")}`;
  const tally = { readingsLate: 0, readingsMissing: 0, timesOffline: 0 };
  const onTime = { outOfOrderRate: 0, lateMsMax: 0, missingRate: 0, offlineRate: 0, offlineMsMax: 0 };
  const missing = new Disorder({ ...onTime, missingRate: disorder?.missingRate ?? 0 }, seed, index, metrics, tally);
  for (const reading of readingsOf(index, options, batches * batchSamples)) {
    for (const { timeMs, values } of missing.add(reading)) {
      for (const [i, value] of values.entries()) {
        if (!Number.isNaN(value)) yield { device, metric: names[i], timeMs, value };
      }
    }
  }
}
