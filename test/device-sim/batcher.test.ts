import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Batcher, type SealedRows } from "../../device-sim/batcher.ts";

const startMs = Date.UTC(2026, 0, 1);
const dayMs = 86_400_000;

interface Row {
  readonly timeMs: number;
  readonly values: readonly number[];
}

type Sample = readonly [metricHandle: number, timeMs: number, value: number];

function batchesOf(metrics: number, batchSamples: number, rows: readonly Row[]): SealedRows[] {
  const batcher = new Batcher(metrics, batchSamples);
  const sealed = rows.flatMap(({ timeMs, values }) => [...batcher.add(timeMs, Float64Array.from(values))]);
  return [...sealed, ...batcher.flush()];
}

/** What the tables say, as the wire describes them: M x T values, one metric after the other. */
function cellsOf({ tables }: SealedRows): Sample[] {
  return tables.flatMap(({ metricHandles, baseTimeMs, offsetsMs, values }) =>
    Array.from(values, (value, i): Sample => {
      const time = i % offsetsMs.length;
      return [metricHandles[(i - time) / offsetsMs.length], baseTimeMs + offsetsMs[time], value];
    }),
  );
}

function cellsOfRows(rows: readonly Row[]): Sample[] {
  return rows.flatMap(({ timeMs, values }) => values.map((value, i): Sample => [i + 1, timeMs, value]));
}

/** Within a table, values go metric by metric; the rows of one batch keep their order per metric. */
function sorted(samples: readonly Sample[]): string[] {
  return samples.map((sample) => sample.join(" ")).sort();
}

/** Any shape of rows: times repeat and step back, and some cells are absent. Each value is its own. */
const anyRows = fc
  .record({
    metrics: fc.integer({ min: 1, max: 12 }),
    batchSamples: fc.integer({ min: 1, max: 40 }),
    steps: fc.array(fc.integer({ min: -5_000, max: 60_000 }), { maxLength: 40 }),
    absent: fc.integer({ min: 2, max: 10 }),
  })
  .map(({ metrics, batchSamples, steps, absent }) => {
    let timeMs = startMs;
    let cell = 0;
    const rows = steps.map((step): Row => {
      timeMs += step;
      const values = Array.from({ length: metrics }, () => (++cell % absent === 0 ? Number.NaN : cell));
      return { timeMs, values };
    });
    return { metrics, batchSamples, rows };
  });

describe("a batcher", () => {
  it("gives every sample once, in batches that follow the order of the rows", () => {
    fc.assert(
      fc.property(anyRows, ({ metrics, batchSamples, rows }) => {
        const batches = batchesOf(metrics, batchSamples, rows);
        const cells = cellsOfRows(rows);
        for (const [i, batch] of batches.entries()) {
          const expected = cells.slice(i * batchSamples, (i + 1) * batchSamples);
          expect(sorted(cellsOf(batch))).toEqual(sorted(expected));
        }
        expect(batches).toHaveLength(Math.ceil(cells.length / batchSamples));
      }),
    );
  });

  it("keeps the order in which a metric's values came", () => {
    fc.assert(
      fc.property(anyRows, ({ metrics, batchSamples, rows }) => {
        const sent = batchesOf(metrics, batchSamples, rows).flatMap(cellsOf);
        for (let handle = 1; handle <= metrics; handle += 1) {
          const ofHandle = (samples: Sample[]) => samples.filter(([metric]) => metric === handle);
          expect(ofHandle(sent)).toEqual(ofHandle(cellsOfRows(rows)));
        }
      }),
    );
  });

  it("fills every batch but the last", () => {
    fc.assert(
      fc.property(anyRows, ({ metrics, batchSamples, rows }) => {
        const sizes = batchesOf(metrics, batchSamples, rows).map((batch) => cellsOf(batch).length);
        expect(sizes.slice(0, -1).filter((size) => size !== batchSamples)).toEqual([]);
        expect(Math.max(1, ...sizes.slice(-1))).toBeLessThanOrEqual(batchSamples);
        expect(sizes).not.toContain(0);
      }),
    );
  });

  it("counts only values that are present", () => {
    fc.assert(
      fc.property(anyRows, ({ metrics, batchSamples, rows }) => {
        for (const batch of batchesOf(metrics, batchSamples, rows)) {
          const present = cellsOf(batch).filter(([, , value]) => !Number.isNaN(value));
          expect(batch.samples).toBe(present.length);
        }
      }),
    );
  });

  it("keeps every offset within 32 bits, whatever the times", () => {
    const anyTimes = fc.array(fc.integer({ min: -2e14, max: 2.5e14 }), { minLength: 1, maxLength: 30 });
    fc.assert(
      fc.property(anyTimes, fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 50 }), (times, metrics, size) => {
        const rows = times.map((timeMs, i): Row => ({ timeMs, values: Array.from({ length: metrics }, () => i) }));
        const batches = batchesOf(metrics, size, rows);
        const offsets = batches.flatMap(({ tables }) => tables.flatMap((table) => Array.from(table.offsetsMs)));
        expect(offsets.filter((offset) => !(offset >= 0 && offset <= 0xffff_ffff))).toEqual([]);
        expect(sorted(batches.flatMap(cellsOf))).toEqual(sorted(cellsOfRows(rows)));
      }),
    );
  });

  it("cuts a batch that would span more than 49 days", () => {
    const rows = [0, 20, 60].map((day) => ({ timeMs: startMs + day * dayMs, values: [day] }));
    const batches = batchesOf(1, 1_000, rows);
    expect(batches.map(cellsOf)).toEqual([
      [
        [1, startMs, 0],
        [1, startMs + 20 * dayMs, 20],
      ],
      [[1, startMs + 60 * dayMs, 60]],
    ]);
  });

  it("does not cut a batch for a row that has left it", () => {
    // Day 0 leaves with the first four values. What waits then is of day 30, and day 60 is near that.
    const rows = [0, 30, 60].map((day) => ({ timeMs: startMs + day * dayMs, values: [day, day, day] }));
    expect(batchesOf(3, 4, rows).map((batch) => cellsOf(batch).length)).toEqual([4, 4, 1]);
  });

  it("gives several batches for a row that is larger than a batch", () => {
    const [first, second, third] = batchesOf(5, 2, [{ timeMs: startMs, values: [10, 20, 30, 40, 50] }]);
    expect([first, second, third].map((batch) => cellsOf(batch).map(([handle, , value]) => [handle, value]))).toEqual([
      [
        [1, 10],
        [2, 20],
      ],
      [
        [3, 30],
        [4, 40],
      ],
      [[5, 50]],
    ]);
  });

  it("has nothing left after a flush", () => {
    const batcher = new Batcher(2, 100);
    expect([...batcher.add(startMs, Float64Array.of(1, 2))]).toEqual([]);
    expect([...batcher.flush()]).toHaveLength(1);
    expect([...batcher.flush()]).toEqual([]);
  });
});
