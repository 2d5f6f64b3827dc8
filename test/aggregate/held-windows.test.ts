import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type Due,
  type HeldShard,
  type HeldTier,
  HeldWindows,
  type LoadWindow,
  type TierBounds,
} from "../../lib/aggregate/held-windows.ts";
import { type Shard, shardOf } from "../../lib/aggregate/shard.ts";
import { TierWindows } from "../../lib/aggregate/window-set.ts";
import { setWindow } from "../../lib/aggregate/window-table.ts";
import {
  anySample,
  type PlainWindow,
  plainWindows,
  type Sample,
  tableWindows,
  tierWindows,
  windowSet,
} from "./plain-windows.ts";

const widthsMs = [10_000, 60_000, 3_600_000];
const everything: readonly TierBounds[] = widthsMs.map(() => ({
  fromMs: Number.NEGATIVE_INFINITY,
  toMs: Number.POSITIVE_INFINITY,
}));
const nothing: LoadWindow = () => false;
const never = Number.POSITIVE_INFINITY;
const always = () => true;

const plainTiers = (samples: readonly Sample[]) => widthsMs.map((widthMs) => plainWindows(samples, widthMs));
const at = (series: number, timeMs: number, value = 1): Sample => ({ series, timeMs, value });

/** One series in each of the first shards. */
const seriesOfShard = (shard: Shard) => shard * 256 + 3;

/** Absorbs with the bounds of a store whose tiers are all history. */
function absorb(held: HeldWindows, samples: readonly Sample[], position: number, nowMs = 0, dueMs = 0): void {
  held.absorb(windowSet(widthsMs, samples), position, nowMs, dueMs, everything);
}

/** All held windows, per tier. */
function heldTiers(held: HeldWindows): PlainWindow[][] {
  const shards = [...held.shards];
  return widthsMs.map((_, t) =>
    shards
      .flatMap(({ tiers }) => tableWindows(tiers[t].table))
      .sort((a, b) => a.startMs - b.startMs || a.series - b.series),
  );
}

function shardIn(held: HeldWindows, shard: Shard): HeldShard {
  const found = held.get(shard);
  if (found === undefined) throw new Error(`shard ${shard} is not held`);
  return found;
}

/** What was stored, as a store has it: whole windows by tier, series and start. */
class Stored {
  readonly tiers = widthsMs.map((widthMs) => new TierWindows(widthMs));
  loads = 0;

  constructor(samples: readonly Sample[] = [], position = 0) {
    const held = new HeldWindows(nothing);
    absorb(held, samples, position + 1);
    for (const { tiers } of held.shards) {
      for (const { table } of tiers) table.revisions.fill(position);
      this.store(tiers.map(({ widthMs, table }) => ({ widthMs, table })));
    }
  }

  load: LoadWindow = (widthMs, startMs, series, into, index) => {
    this.loads += 1;
    const tier = this.#tier(widthMs);
    const found = tier.find(series, startMs);
    if (found !== undefined) setWindow(into, index, tier.table, found);
    return found !== undefined;
  };

  store(parts: Due["parts"]): void {
    for (const { widthMs, table, rows } of parts) {
      const tier = this.#tier(widthMs);
      for (const i of rows ?? Array.from({ length: table.length }, (_, row) => row)) {
        setWindow(tier.table, tier.indexOf(table.series[i], table.starts[i]), table, i);
      }
    }
  }

  #tier(widthMs: number): TierWindows {
    return this.tiers[widthsMs.indexOf(widthMs)];
  }
}

describe("HeldWindows.absorb", () => {
  it("merges groups with each other and with what is stored, like all their samples together", () => {
    // A remainder can be -0; a time is not.
    const close = anySample({ seriesMax: 3 }).map(({ series, timeMs, value }) =>
      at(seriesOfShard(series), (timeMs % 200_000) + 0, value),
    );
    const samples = fc.array(close, { maxLength: 20 });
    fc.assert(
      fc.property(samples, fc.array(samples, { maxLength: 5 }), (before, groups) => {
        const held = new HeldWindows(new Stored(before).load);
        for (const [i, group] of groups.entries()) absorb(held, group, i + 1);
        const touched = plainTiers(groups.flat());
        const wanted = plainTiers([...before, ...groups.flat()]).map((windows, t) =>
          windows.filter(({ series, startMs }) =>
            touched[t].some((each) => each.series === series && each.startMs === startMs),
          ),
        );
        expect(heldTiers(held)).toEqual(wanted);
      }),
    );
  });

  it("shares nothing with the group: a later group does not change it", () => {
    const held = new HeldWindows(nothing);
    const first = windowSet(widthsMs, [at(1, 0, 1)]);
    held.absorb(first, 1, 0, 0, everything);
    absorb(held, [at(1, 0, 2)], 2);
    expect(first.tiers.map(tierWindows)).toEqual(plainTiers([at(1, 0, 1)]));
  });

  it("loads a window once, when it is first touched, and again when it was let go of", () => {
    const stored = new Stored([at(1, 0)]);
    const held = new HeldWindows(stored.load);
    for (let group = 1; group <= 3; group += 1) absorb(held, [at(1, 0)], group);
    expect(stored.loads).toBe(widthsMs.length);
    const shard = shardIn(held, 0);
    held.stored(shard, held.due(shard, always, 100), never);
    absorb(held, [at(1, 0)], 4);
    expect(stored.loads).toBe(2 * widthsMs.length);
  });

  it("counts no group twice in a window that shows it already, and every later one", () => {
    const before = [at(1, 1, 10), at(1, 61_000, 10)];
    function f(position: number, isNew: boolean): void {
      const held = new HeldWindows(new Stored(before, 7).load);
      absorb(held, [at(1, 2, 5)], position);
      const wanted = plainTiers([...before, ...(isNew ? [at(1, 2, 5)] : [])]);
      expect(heldTiers(held)).toEqual(wanted.map((windows) => windows.filter(({ startMs }) => startMs === 0)));
      expect(shardIn(held, 0).since).toBe(isNew ? position : never);
      expect(held.due(shardIn(held, 0), always, 100).parts).toHaveLength(isNew ? widthsMs.length : 0);
    }
    f(6, false);
    f(7, false);
    f(8, true);
  });

  it("decides for each window by itself whether it shows a group: a commit may have stored some of it", () => {
    const stored = new Stored([at(1, 0)], 5);
    const held = new HeldWindows(stored.load);
    absorb(held, [at(1, 0), at(1, 10_000)], 5);
    expect(heldTiers(held)[0]).toEqual(plainWindows([at(1, 0), at(1, 10_000)], 10_000));
    expect(shardIn(held, 0).since).toBe(5);
  });

  it("leaves out what is outside of a tier's bounds: from the first start on, and before the last", () => {
    const times = [0, 9_999, 10_000, 59_999, 60_000, 69_999, 70_000, 100_000, 120_000];
    const samples = times.map((timeMs) => at(1, timeMs, timeMs));
    const held = new HeldWindows(nothing);
    const [tens, minutes] = plainTiers(samples);
    held.absorb(windowSet(widthsMs, samples), 1, 0, 0, [
      { fromMs: 70_000, toMs: 120_000 },
      { fromMs: 60_000, toMs: 120_000 },
      { fromMs: Number.NEGATIVE_INFINITY, toMs: 0 },
    ]);
    const kept = [
      tens.filter(({ startMs }) => startMs >= 70_000 && startMs < 120_000),
      minutes.filter(({ startMs }) => startMs === 60_000),
      [],
    ];
    expect(heldTiers(held)).toEqual(kept);
    expect(held.length).toBe(kept.flat().length);
  });

  it("leaves out the shards that are not to be merged", () => {
    const held = new HeldWindows(nothing);
    const samples = [0, 1, 2].map((shard) => at(seriesOfShard(shard), 0));
    held.absorb(windowSet(widthsMs, samples), 1, 0, 0, everything, (shard) => shard === 1);
    expect([...held.shards].map(({ shard }) => shard)).toEqual([1]);
    expect(heldTiers(held)).toEqual(plainTiers([samples[1]]));
  });

  it("holds nothing of windows without samples", () => {
    const held = new HeldWindows(nothing);
    absorb(held, [at(1, 0, Number.NaN)], 1);
    expect([...held.shards]).toEqual([]);
    expect(held.length).toBe(0);
  });

  it("has each window in the shard of its series, and nowhere else", () => {
    const held = new HeldWindows(nothing);
    const samples = [1, 255, 256, 511, 512, 70_000].map((series) => at(series, 0));
    absorb(held, samples, 1);
    const found = [...held.shards].flatMap(({ shard, tiers }) =>
      tiers.flatMap((tier) => tierWindows(tier).map(({ series }) => [shardOf(series), shard])),
    );
    expect(found).toHaveLength(samples.length * widthsMs.length);
    for (const [want, shard] of found) expect(shard).toBe(want);
    expect([...held.shards].map(({ shard }) => shard)).toEqual([0, 1, 2, 273]);
  });

  it("finds a window where it holds it, and no other", () => {
    const held = new HeldWindows(nothing);
    absorb(held, [at(1, 0, 4), at(300, 10_000, 5)], 1);
    function f(tier: number, series: number, startMs: number, want: number | undefined): void {
      const found = held.find(tier, series, startMs);
      expect(found?.table.sums[found.at]).toBe(want);
    }
    f(0, 1, 0, 4);
    f(0, 300, 10_000, 5);
    f(1, 300, 0, 5);
    f(0, 300, 0, undefined);
    f(0, 2, 0, undefined);
    f(0, 1_000, 0, undefined);
  });

  it("tells when something of a shard should be stored: the earliest of what its groups say", () => {
    const held = new HeldWindows(nothing);
    absorb(held, [at(1, 0)], 1, 0, 700);
    absorb(held, [at(1, 0)], 2, 0, 900);
    expect(shardIn(held, 0).dueMs).toBe(700);
    absorb(held, [at(2, 0)], 3, 0, 500);
    expect(shardIn(held, 0).dueMs).toBe(500);
  });
});

describe("HeldWindows.due", () => {
  const isStart = (startMs: number) => (tier: HeldTier, i: number) => tier.table.starts[i] === startMs;

  it("tells the first group that would still be missing", () => {
    const held = new HeldWindows(nothing);
    const tens = [{ ...everything[0] }, ...widthsMs.slice(1).map(() => ({ fromMs: 0, toMs: 0 }))];
    const add = (timeMs: number, position: number) =>
      held.absorb(windowSet(widthsMs, [at(1, timeMs)]), position, position * 100, 0, tens);
    add(0, 4);
    add(10_000, 5);
    add(0, 6);
    add(20_000, 7);
    const shard = shardIn(held, 0);
    const [tier] = shard.tiers;
    expect([...tier.sinces.subarray(0, 3)]).toEqual([4, 5, 7]);
    expect([...tier.sincesMs.subarray(0, 3)]).toEqual([400, 500, 700]);
    expect(shard.since).toBe(4);
    expect(held.due(shard, isStart(0), 100)).toMatchObject({ since: 5, more: false });
    expect(held.due(shard, isStart(10_000), 100)).toMatchObject({ since: 4, more: false });
    expect(held.due(shard, always, 100)).toMatchObject({ since: never, more: false });
    expect(held.due(shard, () => false, 100)).toEqual({ parts: [], since: 4, more: false });

    held.stored(shard, held.due(shard, isStart(0), 100), 0);
    expect(shard.since).toBe(5);
    // Stored and open: changed again, it misses the later group only.
    add(0, 8);
    expect(shard.since).toBe(5);
    held.stored(shard, held.due(shard, isStart(10_000), 100), 0);
    expect(shard.since).toBe(7);
    held.stored(shard, held.due(shard, isStart(20_000), 100), 0);
    expect(shard.since).toBe(8);
  });

  it("gives at most so many windows, over all tiers, and tells whether there are more", () => {
    const held = new HeldWindows(nothing);
    absorb(held, [at(1, 0), at(2, 0), at(1, 10_000)], 1);
    const shard = shardIn(held, 0);
    const windows = 3 + 2 + 2;
    const rows = (max: number) => held.due(shard, always, max).parts.map((part) => part.rows?.length);
    expect(rows(2)).toEqual([2]);
    expect(rows(4)).toEqual([3, 1]);
    for (let max = 1; max < windows; max += 1) {
      expect(held.due(shard, always, max)).toMatchObject({ more: true, since: 1 });
    }
    expect(held.due(shard, always, windows)).toMatchObject({ more: false, since: never });
    expect(rows(windows)).toEqual([3, 2, 2]);
  });
});

describe("stored windows", () => {
  it("go, but for those of the finest tier that are still open", () => {
    const held = new HeldWindows(nothing);
    absorb(held, [at(1, 0), at(1, 10_000), at(1, 20_000)], 1);
    const shard = shardIn(held, 0);
    held.stored(shard, held.due(shard, always, 100), 20_000);
    expect(heldTiers(held).map((windows) => windows.map(({ startMs }) => startMs))).toEqual([[20_000], [], []]);
    expect(held.length).toBe(1);
    expect(held.get(0)).toBeDefined();
    held.release(shard, 29_999);
    expect(held.length).toBe(1);
    held.release(shard, 30_000);
    expect(held.length).toBe(0);
    expect(held.get(0)).toBeUndefined();
  });

  it("stay when they have changed again, and are not let go of before they are stored again", () => {
    const stored = new Stored();
    const held = new HeldWindows(stored.load);
    absorb(held, [at(1, 0)], 1);
    const shard = shardIn(held, 0);
    const due = held.due(shard, always, 100);
    stored.store(due.parts);
    held.stored(shard, due, 0);
    absorb(held, [at(1, 1)], 2);
    held.release(shard, never);
    expect(heldTiers(held)).toEqual(plainTiers([at(1, 0), at(1, 1)]));
    expect(shard.since).toBe(2);
  });

  it("give their memory back", () => {
    const held = new HeldWindows(nothing);
    const many = Array.from({ length: 10_000 }, (_, i) => at(1, i * 10_000));
    absorb(held, many, 1);
    absorb(held, [at(2, 0, 7)], 2);
    const shard = shardIn(held, 0);
    expect(shard.tiers[0].table.series.length).toBeGreaterThanOrEqual(10_000);
    const isFirst = (tier: HeldTier, i: number) => tier.table.series[i] === 1;
    held.stored(shard, held.due(shard, isFirst, 100_000), never);
    held.release(shard, never);
    const [tens] = shard.tiers;
    expect(tens.table.series.length).toBeLessThan(100);
    expect(tens.table.sketches.keys.length).toBeLessThan(100);
    expect([tens.sinces[0], tens.table.sums[0]]).toEqual([2, 7]);
    expect(held.find(0, 2, 0)).toEqual({ table: tens.table, at: 0 });
  });
});

/** What happens to held windows. */
type Action =
  | { readonly kind: "absorb"; readonly samples: readonly Sample[] }
  | {
      readonly kind: "store";
      readonly shard: Shard;
      readonly startsMs: readonly number[];
      readonly max: number;
      readonly openMs: number;
    }
  | { readonly kind: "release"; readonly shard: Shard; readonly openMs: number };

const starts = [0, 10_000, 20_000, 60_000];
const anyShard = fc.integer({ min: 0, max: 2 });
const anyOpenMs = fc.constantFrom(0, 15_000, 30_000, never);
const anyAction: fc.Arbitrary<Action> = fc.oneof(
  fc.record({
    kind: fc.constant("absorb" as const),
    samples: fc.array(
      fc
        .record({ shard: anyShard, timeMs: fc.constantFrom(...starts, 5_000, 65_000), value: fc.integer() })
        .map(({ shard, timeMs, value }) => at(seriesOfShard(shard), timeMs, value)),
      { maxLength: 5 },
    ),
  }),
  fc.record({
    kind: fc.constant("store" as const),
    shard: anyShard,
    startsMs: fc.subarray(starts),
    max: fc.integer({ min: 1, max: 6 }),
    openMs: anyOpenMs,
  }),
  fc.record({ kind: fc.constant("release" as const), shard: anyShard, openMs: anyOpenMs }),
);

describe("whatever is absorbed, stored and let go of, in any order", () => {
  it("held windows and stored ones show all samples, and no shard says that it misses less than it does", () => {
    const property = fc.property(fc.array(anyAction, { maxLength: 30 }), (actions) => {
      const stored = new Stored();
      const held = new HeldWindows(stored.load);
      const samples: Sample[] = [];
      for (const [i, action] of actions.entries()) {
        if (action.kind === "absorb") {
          absorb(held, action.samples, i + 1, i);
          samples.push(...action.samples);
        } else {
          const shard = held.get(action.shard);
          if (shard === undefined) continue;
          if (action.kind === "release") held.release(shard, action.openMs);
          else {
            const isDue = (tier: HeldTier, row: number) => action.startsMs.includes(tier.table.starts[row]);
            const due = held.due(shard, isDue, action.max);
            stored.store(due.parts);
            held.stored(shard, due, action.openMs);
          }
        }
        const all = [...held.shards];
        expect(held.length).toBe(
          all.flatMap(({ tiers }) => tiers.map(({ table }) => table.length)).reduce((a, b) => a + b, 0),
        );
        for (const { since, tiers } of all) {
          const sinces = tiers.flatMap(({ sinces, table }) =>
            [...sinces.subarray(0, table.length)].filter((each) => each > 0),
          );
          expect(since).toBeLessThanOrEqual(Math.min(never, ...sinces));
        }
      }
      for (const shard of [...held.shards]) {
        const due = held.due(shard, always, 1_000);
        stored.store(due.parts);
        held.stored(shard, due, never);
        held.release(shard, never);
      }
      expect(held.length).toBe(0);
      expect([...held.shards]).toEqual([]);
      expect(stored.tiers.map(tierWindows)).toEqual(plainTiers(samples));
    });
    fc.assert(property, { numRuns: 200 });
  });
});
