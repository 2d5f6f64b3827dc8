import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { Group } from "../../ingest/admission.ts";
import { Flusher } from "../../ingest/flusher.ts";
import { Sessions } from "../../ingest/sessions.ts";
import { SampleRuns } from "../../lib/aggregate/sample-runs.ts";
import type { Tier } from "../../lib/aggregate/tiers.ts";
import { latenessMsDefault } from "../../lib/base/limits.ts";
import { Prng } from "../../lib/base/prng.ts";
import { openSqliteStore, type SqliteStore } from "../../lib/store/sqlite/sqlite-store.ts";
import { noSpan } from "../../lib/store/store.ts";
import { printMachine } from "../measure.ts";

/**
 * Many series, each with a sample every 10 s: what it costs to hold their open windows, to store them when they are over
 * and to roll them up, and how long the longest transaction takes. Time is played, not waited for.
 *
 *     node bench/micro/series.ts --series 100000 --tier 10          # seconds of the finest tier
 *     node bench/micro/series.ts --series 1000000 --tier 60
 */
const { values } = parseArgs({
  options: {
    series: { type: "string", default: "100000" },
    tier: { type: "string", default: "10" },
    minutes: { type: "string", default: "3" },
  },
});
const seriesCount = Number(values.series);
const finestMs = Number(values.tier) * 1_000;
const periods = Number(values.minutes) * 6;
const everyMs = 10_000;
const groupSamples = 10_000;
const tiers: readonly Tier[] = [finestMs, 60_000, 3_600_000, 86_400_000]
  .filter((widthMs, i, all) => widthMs >= finestMs && all.indexOf(widthMs) === i)
  .map((widthMs) => ({ widthMs }));

const noChanges = { devices: [], sessions: [], series: [], handles: [] };
const clock = { now: Date.UTC(2026, 0, 15, 11, 57), nowMs: () => clock.now, elapsedMs: () => clock.now };
const dir = mkdtempSync(join(tmpdir(), "tidemark-bench-"));
const store = openSqliteStore({ dataDir: dir, tiers, durability: "fsync" });
const timedNames = ["commit", "storeRollUp", "advanceRollUp", "trim", "checkpoint"] as const;
const times = new Map<string, number[]>(timedNames.map((name) => [name, []]));
for (const name of timedNames) timed(store, name);
const flusher = new Flusher(store, new Sessions(store), clock, latenessMsDefault);
addSeries();

printMachine();
console.log(
  `${seriesCount} series, a sample each every 10 s, tiers of ${tiers.map(({ widthMs }) => widthMs / 1_000)} s`,
);
const rssBefore = process.memoryUsage().rss;
const prng = new Prng(1, "series");
let absorbMs = 0;
let stepMs = 0;
let rssMax = 0;
let heldMax = 0;
for (let period = 0; period < periods; period += 1) {
  for (let from = 1; from <= seriesCount; from += groupSamples) {
    const group = groupOf(from, Math.min(seriesCount, from + groupSamples - 1));
    const position = store.append(new Uint8Array(64), undefined);
    absorbMs += cpuMs(() => flusher.absorb(group, position));
    clock.now += everyMs / Math.ceil(seriesCount / groupSamples);
    stepMs += cpuMs(() => {
      while (flusher.step());
    });
    rssMax = Math.max(rssMax, process.memoryUsage().rss);
    heldMax = Math.max(heldMax, flusher.heldWindows);
  }
}
const playedMs = periods * everyMs;
const samples = periods * seriesCount;
const share = (ms: number) => `${(ms / playedMs).toPrecision(3)} of a core`;
console.log(
  `  merge into held windows    ${((absorbMs * 1e6) / samples).toPrecision(3)} ns per sample, ${share(absorbMs)}`,
);
console.log(
  `  store, roll up and trim    ${((stepMs * 1e6) / samples).toPrecision(3)} ns per sample, ${share(stepMs)}`,
);
for (const [name, each] of times) {
  each.sort((a, b) => a - b);
  const at = (part: number) => (each[Math.floor(part * (each.length - 1))] ?? 0).toPrecision(3);
  const over = each.filter((ms) => ms > 15).length;
  console.log(
    `  ${name.padEnd(26)} ${each.length} times, p50 ${at(0.5)} p99 ${at(0.99)} longest ${at(1)} ms, ${over} over 15 ms`,
  );
}
console.log(`  windows in memory, most    ${heldMax}`);
console.log(`  RSS, most                  ${mib(rssMax)} MiB, ${mib(rssMax - rssBefore)} over the start`);
store.close();
rmSync(dir, { recursive: true });

/** One sample of each of the series `from..to`. */
function groupOf(from: number, to: number): Group {
  const samples = new SampleRuns();
  const timesMs = Float64Array.of(clock.now);
  const values = new Float64Array(1);
  const run = {
    counter: false,
    watermarkMs: clock.now - everyMs,
    timesMs,
    timeStart: 0,
    timeEnd: 1,
    valueStart: 0,
    isPlain: true,
  };
  for (let series = from; series <= to; series += 1) {
    values[0] = 20 + prng.normal();
    samples.add({ ...run, series, values });
  }
  const bounds = { nowMs: clock.now, latenessMs: latenessMsDefault, keptFromMs: 0, latestMs: clock.now };
  return {
    bounds,
    records: undefined,
    span: noSpan,
    catalog: undefined,
    samples,
    devices: new Set(),
    calls: new Set(),
  };
}

/** Only their number is asked for. */
function addSeries(): void {
  const last = { id: seriesCount, device: 1, name: "m", kind: "gauge", unit: "", description: "" } as const;
  store.append(undefined, { ...noChanges, series: [last] });
}

function timed(of: SqliteStore, name: (typeof timedNames)[number]): void {
  const run = of[name].bind(of) as (...args: unknown[]) => unknown;
  const wrapped = (...args: unknown[]) => {
    const start = performance.now();
    const result = run(...args);
    const ms = performance.now() - start;
    times.get(name)?.push(ms);
    return result;
  };
  Object.assign(of, { [name]: wrapped });
}

function cpuMs(run: () => void): number {
  const before = process.cpuUsage();
  run();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1_000;
}

function mib(bytes: number): string {
  return (bytes / 1024 / 1024).toFixed(0);
}
