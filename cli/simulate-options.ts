import { type DisorderOptions, type DisorderProfile, disorderProfiles } from "../device-sim/disorder.ts";
import type { FleetChoice } from "../device-sim/fleet-memory.ts";
import type { SpoolFullPolicy } from "../device-sim/uplink/spool.ts";
import type { UplinkMode } from "../device-sim/uplink/uplink.ts";
import type { ServerFlags } from "./server-flags.ts";

/** Spools of all devices together, at most. */
const fleetSpoolBytesMax = 512 * 1024 * 1024;
const deviceSpoolBytesMax = 1024 * 1024;
const deviceSpoolBytesMin = 64 * 1024;

export interface SimulateOptions extends ServerFlags {
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
  readonly disorder?: DisorderProfile | undefined;
  readonly outOfOrder?: number | undefined;
  readonly lateBy?: number | undefined;
  readonly missing?: number | undefined;
  readonly offline?: number | undefined;
  readonly offlineFor?: number | undefined;
  readonly resend?: number | undefined;
  readonly cut?: number | undefined;
}

/** What the fleet is, whatever becomes of its readings. */
export function fleetBasis(options: SimulateOptions) {
  const { devices, metrics, interval, batchSamples = metrics, seed, integers = false, idPrefix } = options;
  return { devices, metrics, intervalMs: interval, batchSamples, seed, integers, idPrefix };
}

/** What decides the bytes of its batches: times offline only decide when they are sent. */
export function fleetChoice(options: SimulateOptions): FleetChoice {
  const { outOfOrderRate, lateMsMax, missingRate } = disorderOf(options);
  return {
    ...fleetBasis(options),
    startMs: options.start,
    ...(outOfOrderRate > 0 && { outOfOrderRate, lateMsMax }),
    ...(missingRate > 0 && { missingRate }),
    ...(outOfOrderRate + missingRate > 0 && options.batches !== undefined && { batches: options.batches }),
  };
}

/** The named profile, or none, with the single flags over it. */
export function disorderOf(options: SimulateOptions): DisorderOptions & { readonly resendRate: number } {
  const profile = options.disorder && disorderProfiles[options.disorder];
  return {
    outOfOrderRate: options.outOfOrder ?? profile?.outOfOrderRate ?? 0,
    lateMsMax: options.lateBy ?? profile?.lateMsMax ?? disorderProfiles.trucks.lateMsMax,
    missingRate: options.missing ?? profile?.missingRate ?? 0,
    offlineRate: options.offline ?? profile?.offlineRate ?? 0,
    offlineMsMax: options.offlineFor ?? profile?.offlineMsMax ?? disorderProfiles.trucks.offlineMsMax,
    resendRate: options.resend ?? profile?.resendRate ?? 0,
  };
}

export function spoolBytes({ devices, spoolBytes: asked }: SimulateOptions): number {
  const share = Math.floor(fleetSpoolBytesMax / devices);
  return asked ?? Math.max(deviceSpoolBytesMin, Math.min(deviceSpoolBytesMax, share));
}
