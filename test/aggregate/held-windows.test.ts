import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DirtyWindows, type LoadWindow } from "../../lib/aggregate/dirty-windows.ts";
import { type Shard, shardOf } from "../../lib/aggregate/shard.ts";
import { setWindow } from "../../lib/aggregate/window-table.ts";
import {
  anySample,
  mergedSets,
  type PlainWindow,
  plainWindows,
  type Sample,
  tableWindows,
  tierWindows,
  windowSet,
} from "./plain-windows.ts";

const widthsMs = [10_000, 60_000, 3_600_000];
const always = widthsMs.map(() => Number.NEGATIVE_INFINITY);
const nothing: LoadWindow = () => false;

const plainTiers = (samples: readonly Sample[]) => widthsMs.map((widthMs) => plainWindows(samples, widthMs));
const at = (series: number, timeMs: number, value = 1): Sample => ({ series, timeMs, value });

/** One series in each of the first shards. */
const seriesOfShard = (shard: Shard) => shard * 256 + 3;

/** What was stored, loaded as a store would. */
class Stored {
  #samples: readonly Sample[] = [];
  loads = 0;

  load: LoadWindow = (widthMs, startMs, series, into, index) => {
    this.loads += 1;
    const tier = windowSet(widthsMs, this.#samples).tiers.find((each) => each.widthMs === widthMs);
    const found = tier?.find(series, startMs);
    if (tier !== undefined && found !== undefined) setWindow(into, index, tier.table, found);
    return found !== undefined;
  };

  constructor(samples: readonly Sample[] = []) {
    this.#samples = samples;
  }
}

/** All dirty windows, per tier. */
function dirtyTiers(dirty: DirtyWindows): PlainWindow[][] {
  const shards = [...dirty.shards];
  return widthsMs.map((_, t) =>
    shards
      .flatMap(({ tiers }) => tableWindows(tiers[t].table))
      .sort((a, b) => a.startMs - b.startMs || a.series - b.series),
  );
}

describe("DirtyWindows", () => {
  it("merges groups with each other and with what is stored, like all their samples together", () => {
    // A remainder can be -0; a time is not.
    const close = anySample({ seriesMax: 3 }).map(({ series, timeMs, value }) =>
      at(seriesOfShard(series), (timeMs % 200_000) + 0, value),
    );
    const samples = fc.array(close, { maxLength: 20 });
    fc.assert(
      fc.property(samples, fc.array(samples, { maxLength: 5 }), (stored, groups) => {
        const dirty = new DirtyWindows(new Stored(stored).load);
        for (const [i, group] of groups.entries()) dirty.absorb(windowSet(widthsMs, group), i + 1, 0, always);
        const whole = plainTiers([...stored, ...groups.flat()]);
        const touched = plainTiers(groups.flat());
        const wanted = whole.map((windows, t) =>
          windows.filter(({ series, startMs }) =>
            touched[t].some((each) => each.series === series && each.startMs === startMs),
          ),
        );
        expect(dirtyTiers(dirty)).toEqual(wanted);
      }),
    );
  });

  it("leaves in a group the whole values of its windows", () => {
    const dirty = new DirtyWindows(new Stored([at(1, 9_000, 5)]).load);
    dirty.absorb(windowSet(widthsMs, [at(1, 3_000, 6)]), 1, 0, always);
    const group = windowSet(widthsMs, [at(1, 1_000, 7)]);
    dirty.absorb(group, 2, 0, always);
    const whole = plainTiers([at(1, 9_000, 5), at(1, 3_000, 6), at(1, 1_000, 7)]);
    expect(group.tiers.map(tierWindows)).toEqual(whole);
  });

  it("shares nothing with the group: a later group does not change it", () => {
    const dirty = new DirtyWindows(nothing);
    const first = windowSet(widthsMs, [at(1, 0, 1)]);
    dirty.absorb(first, 1, 0, always);
    dirty.absorb(windowSet(widthsMs, [at(1, 0, 2)]), 2, 0, always);
    expect(first.tiers.map(tierWindows)).toEqual(plainTiers([at(1, 0, 1)]));
  });

  it("loads a window once, when it is first touched, and again when its shard has been cleaned", () => {
    const stored = new Stored([at(1, 0)]);
    const dirty = new DirtyWindows(stored.load);
    for (let group = 1; group <= 3; group += 1) dirty.absorb(windowSet(widthsMs, [at(1, 0)]), group, 0, always);
    expect(stored.loads).toBe(widthsMs.length);
    dirty.clean(0);
    dirty.absorb(windowSet(widthsMs, [at(1, 0)]), 4, 0, always);
    expect(stored.loads).toBe(2 * widthsMs.length);
  });

  it("leaves out what a tier no longer keeps, and sets its count to 0", () => {
    const samples = [0, 9_999, 10_000, 59_999, 60_000, 69_999, 70_000, 100_000].map((timeMs) => at(1, timeMs, timeMs));
    const late = windowSet(widthsMs, samples);
    const dirty = new DirtyWindows(nothing);
    dirty.absorb(late, 1, 0, [70_000, 60_000, Number.NEGATIVE_INFINITY]);
    const [tens, minutes, hours] = plainTiers(samples);
    const kept = [
      tens.filter((window) => window.startMs >= 70_000),
      minutes.filter((window) => window.startMs >= 60_000),
      hours,
    ];
    expect(dirtyTiers(dirty)).toEqual(kept);
    expect(late.tiers.map(tierWindows)).toEqual(kept);
    expect(Array.from(late.tiers[0].table.counts.subarray(0, tens.length))).toContain(0);
    expect(dirty.length).toBe(kept.flat().length);
  });

  it("leaves out the shards that are not to be merged, and sets their counts to 0", () => {
    const dirty = new DirtyWindows(nothing);
    const samples = [0, 1, 2].map((shard) => at(seriesOfShard(shard), 0));
    const group = windowSet(widthsMs, samples);
    dirty.absorb(group, 1, 0, always, (shard) => shard === 1);
    expect([...dirty.shards].map(({ shard }) => shard)).toEqual([1]);
    expect(dirtyTiers(dirty)).toEqual(plainTiers([samples[1]]));
    expect(group.tiers.map(tierWindows)).toEqual(plainTiers([samples[1]]));
  });

  it("is not dirty by windows without samples", () => {
    const dirty = new DirtyWindows(nothing);
    dirty.absorb(windowSet(widthsMs, [at(1, 0, Number.NaN)]), 1, 0, always);
    expect([...dirty.shards]).toEqual([]);
    expect(dirty.length).toBe(0);
  });

  it("tells since which group, and since when, each shard is dirty, the longest first", () => {
    const dirty = new DirtyWindows(nothing);
    const absorb = (shard: Shard, position: number, nowMs: number) =>
      dirty.absorb(windowSet(widthsMs, [at(seriesOfShard(shard), 0)]), position, nowMs, always);
    const told = () => [...dirty.shards].map(({ shard, since, sinceMs }) => [shard, since, sinceMs]);
    absorb(2, 5, 500);
    absorb(0, 6, 600);
    absorb(2, 7, 700);
    expect(told()).toEqual([
      [2, 5, 500],
      [0, 6, 600],
    ]);
    dirty.clean(2);
    absorb(2, 8, 800);
    expect(told()).toEqual([
      [0, 6, 600],
      [2, 8, 800],
    ]);
  });

  it("counts its windows, and has none of a shard that was cleaned", () => {
    const dirty = new DirtyWindows(nothing);
    const group = windowSet(widthsMs, [at(seriesOfShard(0), 0), at(seriesOfShard(1), 0), at(seriesOfShard(1), 10_000)]);
    dirty.absorb(group, 1, 0, always);
    expect(dirty.length).toBe(3 + 4);
    dirty.clean(1);
    dirty.clean(1);
    expect(dirty.length).toBe(3);
    expect(dirty.get(1)).toBeUndefined();
    expect(dirty.get(0)?.tiers.map((tier) => tier.table.length)).toEqual([1, 1, 1]);
    dirty.clean(0);
    expect(dirty.length).toBe(0);
  });

  it("has each window in the shard of its series, and nowhere else", () => {
    const dirty = new DirtyWindows(nothing);
    const samples = [1, 255, 256, 511, 512, 70_000].map((series) => at(series, 0));
    dirty.absorb(windowSet(widthsMs, samples), 1, 0, always);
    const found = [...dirty.shards].flatMap(({ shard, tiers }) =>
      tiers.flatMap((tier) => tierWindows(tier).map(({ series }) => [shardOf(series), shard])),
    );
    expect(found).toHaveLength(samples.length * widthsMs.length);
    for (const [want, shard] of found) expect(shard).toBe(want);
    expect([...dirty.shards].map(({ shard }) => shard)).toEqual([0, 1, 2, 273]);
  });
});

describe("windows that were stored from DirtyWindows", () => {
  it("are the same whenever shards are stored between groups", () => {
    const samples = fc.array(
      fc
        .record({
          shard: fc.integer({ min: 0, max: 2 }),
          timeMs: fc.integer({ min: 0, max: 70_000 }),
          value: fc.integer(),
        })
        .map(({ shard, timeMs, value }) => at(seriesOfShard(shard), timeMs, value)),
      { maxLength: 10 },
    );
    const steps = fc.array(fc.record({ samples, store: fc.subarray([0, 1, 2]) }), { maxLength: 6 });
    fc.assert(
      fc.property(steps, (steps) => {
        const stored = mergedSets(widthsMs, []);
        const tierOf = (widthMs: number) => stored.tiers[widthsMs.indexOf(widthMs)];
        const dirty = new DirtyWindows((widthMs, startMs, series, into, index) => {
          const found = tierOf(widthMs).find(series, startMs);
          if (found !== undefined) setWindow(into, index, tierOf(widthMs).table, found);
          return found !== undefined;
        });
        const store = (shard: Shard) => {
          for (const { widthMs, table } of dirty.get(shard)?.tiers ?? []) {
            const tier = tierOf(widthMs);
            for (let i = 0; i < table.length; i += 1) {
              setWindow(tier.table, tier.indexOf(table.series[i], table.starts[i]), table, i);
            }
          }
          dirty.clean(shard);
        };
        for (const [i, step] of steps.entries()) {
          dirty.absorb(windowSet(widthsMs, step.samples), i + 1, 0, always);
          step.store.forEach(store);
        }
        [0, 1, 2].forEach(store);
        expect(stored.tiers.map(tierWindows)).toEqual(plainTiers(steps.flatMap((step) => step.samples)));
      }),
    );
  });
});
