import { onTestFinished, vi } from "vitest";
import { Fleet, type FleetOptions } from "../../../device-sim/fleet.ts";
import { Delivery } from "../../../device-sim/uplink/delivery.ts";
import type { DeviceLink } from "../../../device-sim/uplink/device-link.ts";
import { Uplink, type UplinkMode } from "../../../device-sim/uplink/uplink.ts";
import { systemClock } from "../../../lib/base/clock.ts";
import { silentLog } from "../../../lib/base/log.ts";
import { Prng } from "../../../lib/base/prng.ts";
import { Channel } from "../../../lib/rpc/client.ts";

/** An uplink of its own connection, and what becomes of its batches. */
export interface TestUplink {
  readonly uplink: Uplink;
  readonly delivery: Delivery;
  /** What it has told the operator. */
  readonly warnings: readonly string[];
}

let uplinks = 0;

/** @param address `HOST:PORT` */
export function startUplink(address: string, mode: UplinkMode, spoolBytesMax = 256 * 1024): TestUplink {
  // It would hide what the uplink itself does about a lost call.
  const channel = new Channel(address, { retries: false });
  const delivery = new Delivery();
  const warnings: string[] = [];
  uplinks += 1;
  // Spools of different uplinks are different sessions.
  const spoolIds = new Prng(uplinks, "spool ids");
  const uplink = new Uplink({
    channel,
    mode,
    spoolBytesMax,
    delivery,
    clock: systemClock,
    prng: new Prng(uplinks, "uplink"),
    randomBytes: (length) => spoolIds.bytes(length),
    log: { ...silentLog, warn: (message) => void warnings.push(message) },
  });
  onTestFinished(async () => {
    await uplink.close(0);
    channel.close();
  });
  return { uplink, delivery, warnings };
}

/** Whole numbers, in the past, as fast as the server takes them. */
export const fleetDefaults: FleetOptions = {
  devices: 4,
  metrics: 3,
  intervalMs: 1_000,
  batchSamples: 30,
  seed: 1,
  startMs: Date.UTC(2026, 0, 15),
  speed: Number.POSITIVE_INFINITY,
  integers: true,
  batches: 20,
  idPrefix: "sim-",
  clock: systemClock,
};

export function fleetOf(uplinks: readonly TestUplink[], options: Partial<FleetOptions> = {}): Fleet {
  return new Fleet(
    { ...fleetDefaults, ...options },
    uplinks.map(({ uplink }) => uplink),
  );
}

/** The links that the uplink is given from now on. */
export function linksOf({ uplink }: TestUplink): readonly DeviceLink[] {
  const links: DeviceLink[] = [];
  const add = uplink.add.bind(uplink);
  uplink.add = (description) => {
    const link = add(description);
    links.push(link);
    return link;
  };
  return links;
}

/** The ids of the devices of a fleet. */
export function deviceIdsOf({ devices, idPrefix }: Pick<FleetOptions, "devices" | "idPrefix">): string[] {
  return Array.from({ length: devices }, (_, i) => `${idPrefix}${String(i + 1).padStart(4, "0")}`);
}

/** Never aborted. */
export const never = new AbortController().signal;

/** One device with one metric. */
export function addDevice({ uplink }: TestUplink, deviceId: string) {
  const metric = { name: "temperature", kind: "gauge" as const, unit: "", description: "" };
  return uplink.add({ deviceId, labels: {}, metrics: [metric] });
}

/** A batch of one metric: one value per second. */
export function rowsOf(...values: number[]) {
  const table = {
    metricHandles: [1],
    baseTimeMs: fleetDefaults.startMs,
    offsetsMs: values.map((_, i) => i * 1_000),
    values: Float64Array.from(values),
  };
  return { tables: [table], samples: values.length };
}

/** Resolves when the condition holds. */
export async function until(condition: () => boolean): Promise<void> {
  await vi.waitUntil(condition, { interval: 2, timeout: 20_000 });
}
