import type { Window } from "../../lib/wire/window-frame.ts";
import { readLog } from "../log/log-reader.ts";
import { type Difference, TierComparison } from "./differences.ts";
import { ExpectedDevice, type Fates } from "./expected-device.ts";
import { type LoggedSession, readSessions } from "./logged-session.ts";
import type { PlainBatch } from "./plain-batch.ts";
import { tierWidthsMs } from "./plain-windows.ts";
import { type QueryClient, readDevices, readWindows, type ServerDevice } from "./server-view.ts";
import { compareSession, unattributed } from "./session-check.ts";

/** What a log and a server have to say to each other. */
export interface Verdict extends Fates {
  readonly devices: number;
  /** Samples in the windows of the finest tier. */
  readonly counted: number;
  /** Samples that must be counted and are not, in the tier where most are missing. */
  readonly lost: number;
  /** Samples that are counted and must not be, or not again. */
  readonly countedTwice: number;
  readonly windows: number;
  readonly differences: readonly Difference[];
  /** Samples that were refused for a reason that the log alone cannot put to single samples. */
  readonly unattributed: number;
}

/** Windows of so many devices are in memory at a time. */
const devicesPerQuery = 200;
const finestMs = tierWidthsMs[0];

/**
 * Holds a delivery log against what a server has counted, per series and window of every tier.
 * @throws TelemetryError when the log cannot be read, or the server cannot be asked
 */
export async function verify(logFile: string, query: QueryClient): Promise<Verdict> {
  const sessions = await readSessions(readLog(logFile));
  const served = await readDevices(query, sessions);
  const expected = await readExpected(logFile, sessions, served);
  const tiers = tierWidthsMs.map((widthMs) => new TierComparison(widthMs));
  const ids = [...sessions.keys()].sort();
  for (let at = 0; at < ids.length; at += devicesPerQuery) {
    await compareDevices(query, ids.slice(at, at + devicesPerQuery), expected, served, tiers);
  }
  const differences = tiers.flatMap((tier) => tier.differences);
  for (const [id, device] of expected) {
    differences.push(...compareSession(id, device, sessions.get(id) ?? [], served.get(id)));
  }
  const devices = [...expected.values()];
  const total = (fate: keyof Fates) => devices.reduce((sum, { fates }) => sum + fates[fate], 0);
  return {
    devices: devices.length,
    sent: total("sent"),
    acked: total("acked"),
    refused: total("refused"),
    gaps: total("gaps"),
    waiting: total("waiting"),
    counted: tiers[0].counted,
    lost: Math.max(...tiers.map(({ lost }) => lost)),
    countedTwice: Math.max(...tiers.map(({ twice }) => twice)),
    windows: tiers.reduce((sum, { windows }) => sum + windows, 0),
    differences,
    unattributed: unattributed([...sessions.values()].flat()),
  };
}

async function readExpected(
  logFile: string,
  sessions: ReadonlyMap<string, readonly LoggedSession[]>,
  served: ReadonlyMap<string, ServerDevice>,
): Promise<Map<string, ExpectedDevice>> {
  const expected = new Map<string, ExpectedDevice>();
  for (const [id, logged] of sessions) expected.set(id, new ExpectedDevice(logged, served.get(id)));
  for await (const event of readLog(logFile)) {
    if (event.event === "sealed") expected.get(event.device)?.add(event);
  }
  return expected;
}

async function compareDevices(
  query: QueryClient,
  ids: readonly string[],
  expected: ReadonlyMap<string, ExpectedDevice>,
  served: ReadonlyMap<string, ServerDevice>,
  tiers: readonly TierComparison[],
): Promise<void> {
  // A selector of no device would be one of all, and one of an unknown device an error.
  const known = ids.filter((id) => served.has(id));
  for (const tier of tiers) {
    const windows = known.length === 0 ? [] : await readWindows(query, known, tier.tierMs);
    if (windows === undefined) continue;
    const byDevice = Map.groupBy(windows, ({ deviceId }) => deviceId);
    for (const id of ids) {
      const device = expected.get(id);
      const found = byDevice.get(id) ?? [];
      if (device === undefined) continue;
      if (tier.tierMs === finestMs) device.decide((batch) => fits(batch, device, found));
      tier.compare(id, device, found);
    }
  }
}

/** Whether the windows found have room for a batch besides what is expected in them. */
function fits({ finite }: PlainBatch, { windows }: ExpectedDevice, found: readonly Window[]): boolean {
  const counts = new Map(found.map(({ metric, startMs, count }) => [`${startMs} ${metric}`, count]));
  const needed = new Map<string, number>();
  for (const { metric, timeMs } of finite) {
    const startMs = Math.floor(timeMs / finestMs) * finestMs;
    const key = `${startMs} ${metric}`;
    const expected = windows.get(metric, finestMs, startMs)?.count ?? 0;
    needed.set(key, (needed.get(key) ?? expected) + 1);
  }
  return [...needed].every(([key, count]) => count <= (counts.get(key) ?? 0));
}
