import type { Clock } from "../lib/base/clock.ts";
import { Batcher } from "./batcher.ts";
import type { CsvFile } from "./csv.ts";
import { Pace, type Speed } from "./pace.ts";
import type { Uplink } from "./uplink/uplink.ts";

export interface ReplayOptions {
  readonly speed: Speed;
  /** Values per batch at full speed; a paced replay sends each row at once. */
  readonly batchSamples: number;
  readonly clock: Clock;
  /** Called with the bytes of the file that have been read. */
  readonly onProgress: (bytes: number) => void;
}

/** Sends a recorded file as one device. Stops early when the device is refused, or the signal is aborted. */
export async function replayFile(file: CsvFile, uplink: Uplink, options: ReplayOptions, signal: AbortSignal) {
  const metrics = file.metrics.map((name) => ({ name, kind: "gauge" as const, unit: "", description: "" }));
  const link = uplink.add({ deviceId: file.deviceId, labels: {}, metrics });
  const paced = Number.isFinite(options.speed);
  const batcher = new Batcher(metrics.length, paced ? metrics.length : options.batchSamples);
  let pace: Pace | undefined;
  for await (const { timeMs, values, bytes } of file.rows) {
    // The first row is now; one that steps back is due at once.
    pace ??= new Pace(options.speed, timeMs, options.clock, false);
    await pace.due(timeMs, signal);
    if (signal.aborted) break;
    for (const batch of batcher.add(timeMs, values)) await link.send(batch);
    options.onProgress(bytes);
  }
  for (const batch of batcher.flush()) await link.send(batch);
}
