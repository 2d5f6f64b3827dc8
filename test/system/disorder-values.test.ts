import { durationFromMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { describe, expect, it } from "vitest";
import { disorderOf, fleetBasis, type SimulateOptions } from "../../cli/simulate-options.ts";
import { simulate } from "../../cli/simulation.ts";
import { defaultTiers, type Tier } from "../../lib/aggregate/tiers.ts";
import { systemClock } from "../../lib/base/clock.ts";
import { timeMsMax, timeMsMin } from "../../lib/base/limits.ts";
import type { Window } from "../../lib/wire/window-frame.ts";
import { fleetSamples } from "../support/fleet-samples.ts";
import { oracleIncreases } from "../support/increases.ts";
import { inTime, type OracleSample, oracleQuantile, oracleWindows } from "../support/oracle.ts";
import { read, Watcher } from "../support/query.ts";
import { startServer, type TestServer } from "../support/server.ts";

const never = new AbortController().signal;
const quantiles = [0, 0.01, 0.5, 0.9, 0.99, 1];
const counters = ["energy", "packets"];

const trucks: SimulateOptions = {
  address: "",
  devices: 6,
  metrics: 8,
  interval: 2_000,
  batchSamples: 40,
  connections: 2,
  mode: "stream",
  seed: 11,
  batches: 360,
  speed: Number.POSITIVE_INFINITY,
  integers: true,
  idPrefix: "truck-",
  disorder: "trucks",
};

/** What the fleet has made but for what is missing. */
function samplesOf(options: SimulateOptions, startMs: number): OracleSample[] {
  const { speed, batches } = options;
  return fleetSamples({
    ...fleetBasis(options),
    startMs,
    speed,
    batches,
    clock: systemClock,
    disorder: disorderOf(options),
  });
}

const keyOf = (device: string, metric: string, startMs: number) => `${device} ${metric} ${startMs}`;

async function windowsOf(server: TestServer, widthMs: number): Promise<Window[]> {
  const range = { from: timestampFromMs(timeMsMin), to: timestampFromMs(timeMsMax) };
  const { windows } = await read(server, { ...range, tier: durationFromMs(widthMs), quantiles });
  return windows;
}

/** Holds a tier against the oracle. @returns how many increases are estimates, and how many windows have a reset */
async function check(server: TestServer, widthMs: number, samples: readonly OracleSample[]) {
  const windows = await windowsOf(server, widthMs);
  checkWindows(windows, widthMs, samples);
  const told = new Map(windows.map((window) => [keyOf(window.deviceId, window.metric, window.startMs), window]));
  return checkIncreases(told, widthMs, samples);
}

function checkWindows(windows: readonly Window[], widthMs: number, samples: readonly OracleSample[]): void {
  const told = new Map(windows.map((window) => [keyOf(window.deviceId, window.metric, window.startMs), window]));
  const wanted = oracleWindows(samples, [widthMs]);
  expect(windows).toHaveLength(wanted.length);
  for (const want of wanted) {
    const { device, metric, startMs, count, sum, min, max, first, last, deviation } = want;
    const window = told.get(keyOf(device, metric, startMs));
    expect(window).toMatchObject({ count, sum, min, max, first, last });
    const values = window?.quantiles ?? [];
    expect(Math.abs((window?.deviation ?? 0) - deviation)).toBeLessThanOrEqual(1e-9 * Math.max(1, deviation));
    for (const [i, q] of quantiles.entries()) {
      const exact = oracleQuantile(want, q);
      expect(Math.abs(values[i] - exact)).toBeLessThanOrEqual(0.01 * Math.abs(exact));
    }
  }
}

/** Each increase is exact, or marked as an estimate; and none is marked whose window has no reset in it. */
function checkIncreases(told: ReadonlyMap<string, Window>, widthMs: number, samples: readonly OracleSample[]) {
  const counts = samples.filter(({ metric }) => counters.includes(metric));
  const resets = resetWindows(counts, widthMs);
  let estimates = 0;
  for (const { device, metric, startMs, increase } of oracleIncreases(counts, widthMs, 0)) {
    const key = keyOf(device, metric, startMs);
    const window = told.get(key);
    if (window?.increaseApproximate === true) {
      estimates += 1;
      expect([...resets]).toContain(key);
      expect(window.increase).toBeGreaterThanOrEqual(0);
    } else expect([key, window?.increase]).toEqual([key, increase]);
  }
  return { estimates, resets: resets.size };
}

/** Windows with two samples between which the counter fell. */
function resetWindows(samples: readonly OracleSample[], widthMs: number): Set<string> {
  const series = Map.groupBy(samples, ({ device, metric }) => `${device} ${metric}`);
  const startOf = (timeMs: number) => Math.floor(timeMs / widthMs) * widthMs;
  return new Set(
    [...series].flatMap(([name, of]) => {
      const sorted = inTime(of);
      return sorted
        .filter(({ timeMs, value }, i) => {
          const before = sorted[i - 1];
          return before !== undefined && value < before.value && startOf(before.timeMs) === startOf(timeMs);
        })
        .map(({ timeMs }) => `${name} ${startOf(timeMs)}`);
    }),
  );
}

/** Resolves when a subscriber has been shown so many samples, and no window as provisional any more. */
async function seesAllFinal(subscriber: Watcher, samples: number): Promise<void> {
  const isDone = () => {
    const windows = [...subscriber.windows.values()];
    const counted = windows.reduce((sum, { count }) => sum + count, 0);
    return counted === samples && windows.every(({ state }) => state !== "provisional");
  };
  while (!isDone()) await subscriber.next();
}

describe("deviations, quantiles and increases of a fleet of trucks", () => {
  it("are those of its readings in order, in every tier", async () => {
    const server = await startServer();
    const startMs = Date.UTC(2026, 0, 14, 23, 30);
    const summary = await simulate({ ...trucks, start: startMs, address: server.address }, never);
    const samples = samplesOf(trucks, startMs);
    expect(summary.samplesAcked).toBe(samples.length);
    const found = { estimates: 0, resets: 0 };
    for (const { widthMs } of defaultTiers) {
      const { estimates, resets } = await check(server, widthMs, samples);
      found.estimates += estimates;
      found.resets += resets;
    }
    // Resets are in play, on time and late.
    expect(found.resets).toBeGreaterThan(found.estimates);
    expect(found.estimates).toBeGreaterThan(0);
  });

  it("are so while short tiers are rolled up under late samples, in real time, and for a subscriber too", async () => {
    const tiers: readonly Tier[] = [1_000, 2_000, 10_000, 60_000].map((widthMs) => ({ widthMs }));
    const server = await startServer({}, { tiers, latenessMs: 200 });
    // Eight seconds; a window is rolled up long before the last of its samples come.
    const live = { ...trucks, interval: 20, batches: 80, speed: 1, lateBy: 1_500, offline: 0.2, offlineFor: 500 };
    const subscriber = await Watcher.start(server, { tier: durationFromMs(2_000), quantiles });
    const seen = seesAllFinal(subscriber, samplesOf(live, 0).length);
    const summary = await simulate({ ...live, address: server.address }, never);
    const samples = samplesOf(live, Date.parse(summary.start));
    expect(summary.samplesAcked).toBe(samples.length);
    for (const { widthMs } of tiers) await check(server, widthMs, samples);
    await seen;
    checkWindows([...subscriber.windows.values()], 2_000, samples);
    await subscriber.stop();
    const states = (await windowsOf(server, 1_000)).map(({ state }) => state);
    expect(states.filter((state) => state === "corrected").length).toBeGreaterThan(states.length / 10);
  });
});
