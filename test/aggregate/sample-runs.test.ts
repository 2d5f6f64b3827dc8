import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { HeldWindows, type TierBounds } from "../../lib/aggregate/held-windows.ts";
import { SampleRuns } from "../../lib/aggregate/sample-runs.ts";
import { type SampleRun, WindowSet } from "../../lib/aggregate/window-set.ts";
import { isPlainRun, tableWindows } from "./plain-windows.ts";

const widthMs = 10_000;
const tiers = [{ widthMs }];
const everything: TierBounds = { fromMs: Number.NEGATIVE_INFINITY, toMs: Number.POSITIVE_INFINITY };

/** A table of one batch: metrics that share their times. */
interface Table {
  readonly timesMs: readonly number[];
  readonly metrics: readonly { readonly series: number; readonly values: readonly number[] }[];
}

const integer = fc.integer({ min: -50, max: 50 });
const anyValue = fc.oneof({ weight: 5, arbitrary: integer }, fc.constant(Number.NaN));
const timeMs = fc.integer({ min: 0, max: 60_000 });

/** @param isPlain times ascend, and no value is absent */
const tableOf = (isPlain: boolean): fc.Arbitrary<Table> =>
  fc.integer({ min: 1, max: 20 }).chain((times) => {
    const length = { minLength: times, maxLength: times };
    return fc.record({
      timesMs: isPlain
        ? fc.uniqueArray(timeMs, length).map((all) => all.sort((a, b) => a - b))
        : fc.array(timeMs, length),
      metrics: fc.array(
        fc.record({
          // Two shards, and series that share a place in what is remembered of a shard.
          series: fc.constantFrom(1, 2, 257, 258),
          values: fc.array(isPlain ? integer : anyValue, length),
        }),
        { minLength: 1, maxLength: 4 },
      ),
    });
  });
const table = fc.oneof(tableOf(true), tableOf(false));
const batches = fc.array(fc.array(table, { minLength: 1, maxLength: 2 }), { minLength: 1, maxLength: 6 });

/** The runs of a batch, out of columns that the next batch uses again, as those of a decoder. */
function* runsOf(
  tables: readonly Table[],
  columns: { times: Float64Array; values: Float64Array },
  knowsPlain = true,
): Generator<SampleRun> {
  let [timeAt, valueAt] = [0, 0];
  for (const { timesMs, metrics } of tables) {
    columns.times.set(timesMs, timeAt);
    for (const { series, values } of metrics) {
      columns.values.set(values, valueAt);
      yield {
        series,
        counter: series === 2,
        watermarkMs: timesMs[0],
        timesMs: columns.times,
        timeStart: timeAt,
        timeEnd: timeAt + timesMs.length,
        values: columns.values,
        valueStart: valueAt,
        isPlain: knowsPlain && isPlainRun(timesMs, values),
      };
      valueAt += values.length;
    }
    timeAt += timesMs.length;
  }
}

function runs(each: readonly (readonly Table[])[], into = new SampleRuns()): SampleRuns {
  const columns = { times: new Float64Array(100), values: new Float64Array(400) };
  for (const tables of each) {
    into.beginBatch();
    for (const run of runsOf(tables, columns)) into.add(run);
  }
  return into;
}

/** The samples of the batches, one by one. */
function windowsOf(each: readonly (readonly Table[])[]): WindowSet {
  const set = new WindowSet([widthMs]);
  const columns = { times: new Float64Array(100), values: new Float64Array(400) };
  for (const tables of each) for (const run of runsOf(tables, columns, false)) set.add(run);
  return set;
}

function heldOf(held: HeldWindows) {
  return [...held.shards]
    .flatMap(({ tiers: [{ table }] }) => tableWindows(table))
    .sort((a, b) => a.startMs - b.startMs || a.series - b.series);
}

/** Without what depends on how samples were grouped in its last digits. */
const sorted = (set: WindowSet) =>
  tableWindows(set.tiers[0].table).sort((a, b) => a.startMs - b.startMs || a.series - b.series);

describe("the samples of a group, kept as runs", () => {
  it("come to the same windows as the batches that they were copied from", () => {
    fc.assert(
      fc.property(batches, (each) => {
        const kept = runs(each);
        const set = new WindowSet([widthMs]);
        for (let i = 0; i < kept.length; i += 1) set.add(kept.at(i));
        expect(sorted(set)).toEqual(sorted(windowsOf(each)));
      }),
    );
  });

  it("are another group's when they are cleared", () => {
    fc.assert(
      fc.property(batches, batches, (first, second) => {
        const kept = runs(first);
        kept.clear();
        const set = new WindowSet([widthMs]);
        runs(second, kept);
        for (let i = 0; i < kept.length; i += 1) set.add(kept.at(i));
        expect(sorted(set)).toEqual(sorted(windowsOf(second)));
      }),
    );
  });

  it("leave out what has no samples, and tell how many there are", () => {
    const kept = new SampleRuns();
    const run = {
      series: 1,
      counter: false,
      watermarkMs: 0,
      timesMs: Float64Array.of(1, 2),
      timeStart: 0,
      timeEnd: 2,
      isPlain: false,
    };
    expect(kept.add({ ...run, values: Float64Array.of(Number.NaN, Number.NaN), valueStart: 0 })).toBe(0);
    expect(kept.add({ ...run, values: Float64Array.of(5, Number.NaN), valueStart: 0 })).toBe(1);
    expect(kept.length).toBe(1);
  });
});

describe("windows that are held", () => {
  const held = () => new HeldWindows(() => false);

  it("are the same, whether samples are added to them or windows of a group merged into them", () => {
    fc.assert(
      fc.property(fc.array(batches, { minLength: 1, maxLength: 3 }), (groups) => {
        const [added, merged] = [held(), held()];
        for (const [i, group] of groups.entries()) {
          added.add(runs(group), i + 1, 0, 0, everything, tiers);
          merged.absorb(windowsOf(group), i + 1, 0, 0, [everything]);
        }
        expect(heldOf(added)).toEqual(heldOf(merged));
        for (const { shard, since } of merged.shards) expect(added.get(shard)?.since).toBe(since);
      }),
    );
  });

  it("take no samples outside their tier's bounds", () => {
    const only = held();
    const values = [1, 2, 3, 4];
    const timesMs = [5_000, 15_000, 25_000, 35_000];
    only.add(runs([[{ timesMs, metrics: [{ series: 1, values }] }]]), 1, 0, 0, { fromMs: 10_000, toMs: 30_000 }, tiers);
    expect(heldOf(only).map(({ startMs, sum }) => [startMs, sum])).toEqual([
      [10_000, 2],
      [20_000, 3],
    ]);
  });

  it("are found after another has taken their place, and read from the store when they were let go of", () => {
    const sums = new Map<string, number>();
    const store = new HeldWindows((_, startMs, series, into, at) => {
      const sum = sums.get(`${series} ${startMs}`);
      if (sum === undefined) return false;
      into.counts[at] = 1;
      into.sums[at] = sum;
      return true;
    }, 60_000);
    const send = (position: number, ...samples: (readonly [series: number, timeMs: number, value: number])[]) =>
      store.add(
        runs(
          samples.map(([series, timeMs, sample]) => [{ timesMs: [timeMs], metrics: [{ series, values: [sample] }] }]),
        ),
        position,
        0,
        0,
        everything,
        tiers,
      );
    send(1, [1, 0, 1], [3, 0, 3], [1, 20_000, 10]);
    const shard = store.get(0);
    if (shard === undefined) throw new Error("there is a shard");
    const due = store.due(shard, (_, at) => shard.tiers[0].table.series[at] === 1, 10);
    for (const at of due.parts[0].rows ?? []) {
      const { series, starts, sums: stored } = shard.tiers[0].table;
      sums.set(`${series[at]} ${starts[at]}`, stored[at]);
    }
    store.stored(shard, due, Number.POSITIVE_INFINITY);
    send(2, [1, 0, 100], [3, 0, 300], [1, 20_000, 1_000]);
    expect(heldOf(store).map(({ series, startMs, sum }) => [series, startMs, sum])).toEqual([
      [1, 0, 101],
      [3, 0, 303],
      [1, 20_000, 1_010],
    ]);
  });
});
