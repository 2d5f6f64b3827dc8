import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { increaseOf } from "../../lib/aggregate/counter.ts";
import { WindowSet } from "../../lib/aggregate/window-set.ts";
import { appendWindow, createWindowTable, mergeWindow, type WindowTable } from "../../lib/aggregate/window-table.ts";
import { plainIncrease, plainWindows, type Sample, tierWindows, windowSet } from "./plain-windows.ts";

const widthMs = 10_000;

const samplesOf = (...pairs: readonly (readonly [timeMs: number, value: number])[]): Sample[] =>
  pairs.map(([timeMs, value]) => ({ series: 1, timeMs, value }));

/** A table of one window of a counter. */
function tableOf(samples: readonly Sample[]): WindowTable {
  return windowSet([widthMs], samples, true).tiers[0].table;
}

function merge(...parts: readonly WindowTable[]): WindowTable {
  const merged = createWindowTable(1);
  appendWindow(merged, 1, 0);
  for (const part of parts) mergeWindow(merged, 0, part, 0);
  return merged;
}

/** Increase, and whether it is an estimate. */
const told = (table: WindowTable, at = 0) => ({ increase: increaseOf(table, at), approximate: table.approximates[at] });
const exactly = (samples: readonly Sample[]) => ({ increase: plainIncrease(samples).increase, approximate: 0 });

/** What a counter shows: it grows, and falls where its device began again. In the order of time; some times are equal. */
const anyCounter = fc
  .array(fc.record({ afterMs: fc.integer({ min: 0, max: 300 }), value: fc.nat(100) }), { minLength: 1, maxLength: 30 })
  .map((steps) => {
    let timeMs = 0;
    const samples = steps.map(({ afterMs, value }): Sample => {
      timeMs += afterMs;
      return { series: 1, timeMs, value };
    });
    return samples.toSorted((a, b) => a.timeMs - b.timeMs || a.value - b.value);
  });

/** One that never fell. */
const anyGrowing = anyCounter.map((samples) => {
  let value = 0;
  return samples.map((sample) => {
    value += sample.value;
    return { ...sample, value };
  });
});

const shuffled = (samples: readonly Sample[]) => fc.shuffledSubarray([...samples], { minLength: samples.length });

/** In pieces at these places. */
function pieces<T>(all: readonly T[], cuts: readonly number[]): T[][] {
  const bounds = [0, ...cuts.map((cut) => cut % (all.length + 1)).toSorted((a, b) => a - b), all.length];
  return bounds.slice(1).map((end, i) => all.slice(bounds[i], end));
}

const anyCuts = fc.array(fc.nat(30), { maxLength: 4 });

describe("the increase of a counter", () => {
  it("is the sum of its steps, a reset counting whole", () => {
    function f(pairs: readonly (readonly [number, number])[], want: number): void {
      expect(told(tableOf(samplesOf(...pairs)))).toEqual({ increase: want, approximate: 0 });
    }
    f([[0, 5]], 0);
    f(
      [
        [0, 5],
        [1, 9],
      ],
      4,
    );
    f(
      [
        [0, 5],
        [1, 3],
      ],
      3,
    );
    f(
      [
        [0, 5],
        [1, 9],
        [2, 0],
        [3, 0],
        [4, 2],
      ],
      6,
    );
    f(
      [
        [0, 100],
        [1, 90],
        [2, 80],
      ],
      170,
    );
  });

  it("is that of a plain computation, whatever the order in which a batch has its samples", () => {
    fc.assert(
      fc.property(
        anyCounter.chain((samples) => fc.record({ samples: fc.constant(samples), batch: shuffled(samples) })),
        ({ samples, batch }) => {
          expect(told(tableOf(batch))).toEqual(exactly(samples));
        },
      ),
    );
  });

  it("has no reset between samples of one time: they count as if they had come in the order of their values", () => {
    const samples = samplesOf([0, 1], [5, 9], [5, 4], [5, 7], [6, 10]);
    for (const batch of [samples, samples.toReversed()]) {
      expect(told(tableOf(batch))).toEqual({ increase: 9, approximate: 0 });
    }
    const parts = samples.map((sample) => tableOf([sample]));
    expect(told(merge(...parts))).toEqual({ increase: 9, approximate: 0 });
    expect(told(merge(...parts.toReversed()))).toEqual({ increase: 9, approximate: 0 });
  });

  it("leaves out absent samples", () => {
    const samples = samplesOf([0, 1], [1, Number.NaN], [2, 5], [3, Number.NaN]);
    expect(told(tableOf(samples))).toEqual({ increase: 4, approximate: 0 });
    expect(told(tableOf(samples.toReversed()))).toEqual({ increase: 4, approximate: 0 });
  });

  it("stays finite where counters are as large as numbers are, in every tier", () => {
    const most = Number.MAX_VALUE;
    function f(...pairs: readonly (readonly [number, number])[]): void {
      const samples = samplesOf(...pairs);
      const half = (from: number) => tableOf(samples.filter((_, i) => i % 2 === from));
      const tables = windowSet([10_000, 60_000], samples, true).tiers.map(({ table }) => table);
      for (const table of [...tables, merge(half(0), half(1)), merge(half(1), half(0))]) {
        for (let at = 0; at < table.length; at += 1) {
          const { increase } = told(table, at);
          expect(increase).toBeGreaterThanOrEqual(0);
          expect(increase).toBeLessThanOrEqual(most);
        }
      }
    }
    f([0, most], [1, most / 2], [2, most], [3, 0], [10_000, most], [10_001, 1], [10_002, most]);
    f([0, 1], [1, most], [2, most / 2], [3, most]);
    f([0, 0], [1, most], [2, 0], [3, most], [4, 1], [5, most]);
  });
});

describe("merged counters", () => {
  it("are exact when their spans follow each other, however they are put together", () => {
    fc.assert(
      fc.property(anyCounter, anyCuts, fc.infiniteStream(fc.nat(100)), (samples, cuts, choices) => {
        // Samples of one time stay together: which of them is the later one is nobody's to know.
        const moments = [...Map.groupBy(samples, ({ timeMs }) => timeMs).values()];
        let parts = pieces(moments, cuts)
          .filter((part) => part.length > 0)
          .map((part) => tableOf(part.flat()));
        // Neighbours first, whichever: any association; into either side: any order.
        for (const choice of choices) {
          if (parts.length === 1) break;
          const i = choice % (parts.length - 1);
          const [a, b] = [parts[i], parts[i + 1]];
          parts = [...parts.slice(0, i), choice % 2 === 0 ? merge(a, b) : merge(b, a), ...parts.slice(i + 2)];
        }
        expect(told(parts[0])).toEqual(exactly(samples));
      }),
    );
  });

  it("give last - first without a reset, whatever the order and the split", () => {
    fc.assert(
      fc.property(
        anyGrowing.chain((samples) =>
          fc.record({ samples: fc.constant(samples), mixed: shuffled(samples), cuts: anyCuts }),
        ),
        ({ samples, mixed, cuts }) => {
          const parts = pieces(mixed, cuts).filter((part) => part.length > 0);
          const first = samples[0].value;
          const last = samples[samples.length - 1].value;
          expect(told(merge(...parts.map(tableOf)))).toEqual({ increase: last - first, approximate: 0 });
        },
      ),
    );
  });

  it("tell an estimate where late samples overlap a reset: not less than either part, not more than the whole", () => {
    fc.assert(
      fc.property(
        anyCounter.chain((samples) =>
          fc.record({ samples: fc.constant(samples), mixed: shuffled(samples), cuts: anyCuts }),
        ),
        ({ samples, mixed, cuts }) => {
          const parts = pieces(mixed, cuts).filter((part) => part.length > 0);
          const { increase } = told(merge(...parts.map(tableOf)));
          for (const part of parts) expect(increase).toBeGreaterThanOrEqual(plainIncrease(part).increase);
          expect(increase).toBeLessThanOrEqual(plainIncrease(samples).increase);
        },
      ),
    );
  });

  it("say so where late samples overlap a reset, and go on saying so", () => {
    const early = tableOf(samplesOf([0, 10], [4, 20], [8, 5]));
    const late = tableOf(samplesOf([2, 15], [6, 1]));
    for (const merged of [merge(early, late), merge(late, early)]) {
      expect(told(merged)).toEqual({ increase: 15, approximate: 1 });
      expect(told(merge(merged, tableOf(samplesOf([9, 6]))))).toEqual({ increase: 16, approximate: 1 });
      expect(told(merge(tableOf(samplesOf([9, 6])), merged))).toEqual({ increase: 16, approximate: 1 });
    }
  });

  it("say so where the ends of two spans show that the counter fell, though neither has a reset", () => {
    const merged = merge(tableOf(samplesOf([0, 10], [8, 20])), tableOf(samplesOf([4, 1], [6, 3])));
    expect(told(merged)).toEqual({ increase: 10, approximate: 1 });
  });

  it("stay gauges when they are gauges", () => {
    const gauge = windowSet([widthMs], samplesOf([0, 5], [1, 3])).tiers[0].table;
    const merged = merge(gauge, windowSet([widthMs], samplesOf([2, 1])).tiers[0].table);
    expect(told(merged)).toEqual({ increase: Number.NaN, approximate: 0 });
  });
});

describe("counters of a tier that is rolled up", () => {
  const widthsMs = [10_000, 60_000, 3_600_000];

  it("are exact in each tier, in whatever order its windows were made", () => {
    const anyTimes = anyCounter.map((samples) => samples.map((each) => ({ ...each, timeMs: each.timeMs * 50 })));
    const anyOrder = anyTimes.chain((samples) => {
      // Each window of the finest tier by itself, in the order of time.
      const windows = [...Map.groupBy(samples, ({ timeMs }) => Math.floor(timeMs / 10_000)).values()];
      return fc.shuffledSubarray(windows, { minLength: windows.length });
    });
    fc.assert(
      fc.property(anyOrder, (windows) => {
        const samples = windows.flat();
        const set = new WindowSet(widthsMs);
        for (const window of windows) {
          const timesMs = Float64Array.from(window, ({ timeMs }) => timeMs);
          const values = Float64Array.from(window, ({ value }) => value);
          const run = { timesMs, timeStart: 0, timeEnd: window.length, values, valueStart: 0, isPlain: false };
          set.add({ series: 1, counter: true, watermarkMs: Number.NEGATIVE_INFINITY, ...run });
        }
        set.rollUp();
        for (const { widthMs, table } of set.tiers) {
          for (let at = 0; at < table.length; at += 1) {
            const isIn = ({ timeMs }: Sample) => Math.floor(timeMs / widthMs) * widthMs === table.starts[at];
            expect(told(table, at)).toEqual(exactly(samples.filter(isIn)));
          }
        }
      }),
    );
  });

  it("have the windows of gauges in everything else", () => {
    fc.assert(
      fc.property(anyCounter, (samples) => {
        const tiers = windowSet(widthsMs, samples, true).tiers;
        expect(tiers.map(tierWindows)).toEqual(widthsMs.map((each) => plainWindows(samples, each)));
      }),
    );
  });
});
