import type { SpoolFullPolicy } from "../device-sim/uplink/spool.ts";
import type { UplinkMode } from "../device-sim/uplink/uplink.ts";

/** Spools of all devices together, at most. */
const fleetSpoolBytesMax = 512 * 1024 * 1024;
const deviceSpoolBytesMax = 1024 * 1024;
const deviceSpoolBytesMin = 64 * 1024;

export interface SimulateOptions {
  readonly address: string;
  readonly devices: number;
  readonly metrics: number;
  readonly interval: number;
  readonly batchSamples?: number | undefined;
  readonly connections: number;
  readonly mode: UplinkMode;
  readonly seed: number;
  readonly duration?: number | undefined;
  readonly batches?: number | undefined;
  readonly start?: number | undefined;
  readonly speed: number;
  readonly integers?: boolean | undefined;
  readonly idPrefix: string;
  readonly spool?: string | undefined;
  readonly spoolBytes?: number | undefined;
  readonly spoolFull?: SpoolFullPolicy | undefined;
  readonly log?: string | undefined;
  readonly resend?: number | undefined;
  readonly cut?: number | undefined;
}

export function fleetChoice(options: SimulateOptions) {
  const { devices, metrics, interval, batchSamples = metrics, seed, integers = false, idPrefix } = options;
  return { devices, metrics, intervalMs: interval, batchSamples, seed, integers, idPrefix };
}

export function spoolBytes({ devices, spoolBytes: asked }: SimulateOptions): number {
  const share = Math.floor(fleetSpoolBytesMax / devices);
  return asked ?? Math.max(deviceSpoolBytesMin, Math.min(deviceSpoolBytesMax, share));
}
