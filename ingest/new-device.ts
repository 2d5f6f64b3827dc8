import type { DeviceProgress } from "../lib/aggregate/watermark.ts";
import type { Device, NextIds, Session } from "../lib/store/store.ts";

export function newDevice(nextIds: NextIds, deviceId: string, createdAtMs: number): Device {
  return {
    id: nextIds.device++,
    deviceId,
    createdAtMs,
    labels: {},
    reportedLabels: {},
    setLabels: {},
    description: "",
    session: 0,
    reset: false,
    deletedAtMs: undefined,
  };
}

/**
 * @param spoolId empty: no spool has begun it
 * @param progress of the device so far: its watermark never goes back
 */
export function newSession(
  nextIds: NextIds,
  device: Device,
  spoolId: string,
  { lastSeenAtMs, latestEventMs }: DeviceProgress = nothingYet,
): Session {
  return {
    id: nextIds.session++,
    device: device.id,
    spoolId,
    ackedSequence: 0,
    samplesCounted: 0,
    samplesRefused: 0,
    samplesLost: 0,
    batchesLost: 0,
    lastSeenAtMs,
    latestEventMs,
    latestSampleMs: undefined,
    handles: new Map(),
  };
}

const nothingYet: DeviceProgress = { lastSeenAtMs: undefined, latestEventMs: undefined };
