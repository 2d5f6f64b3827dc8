import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { RowColumns } from "../../../bench/server/row-columns.ts";

type Row = readonly [metric: string, timeMs: number, value: number];

const rowColumns = new RowColumns();

/** Tables with plain lists. */
function tablesOf(rows: readonly Row[]) {
  rowColumns.begin(rows.length);
  for (const row of rows) rowColumns.add(...row);
  return rowColumns.tables().map(({ metrics, baseTimeMs, offsetsMs, values }) => ({
    metrics,
    timesMs: Array.from(offsetsMs, (offset) => baseTimeMs + offset),
    values: [...values],
  }));
}

describe("rows as columns", () => {
  it("are one table when all metrics have the same times, whichever comes first", () => {
    const byTime: Row[] = [
      ["a", 10, 1],
      ["b", 10, 3],
      ["a", 20, 2],
      ["b", 20, 4],
    ];
    const byMetric: Row[] = [
      ["a", 10, 1],
      ["a", 20, 2],
      ["b", 10, 3],
      ["b", 20, 4],
    ];
    const table = { metrics: ["a", "b"], timesMs: [10, 20], values: [1, 2, 3, 4] };
    expect(tablesOf(byTime)).toEqual([table]);
    expect(tablesOf(byMetric)).toEqual([table]);
  });

  it("have a table per run of metrics with the same times", () => {
    const rows: Row[] = [
      ["a", 10, 1],
      ["b", 10, 2],
      ["c", 20, 3],
      ["d", 20, 4],
      ["d", 10, 5],
    ];
    expect(tablesOf(rows)).toEqual([
      { metrics: ["a", "b"], timesMs: [10], values: [1, 2] },
      { metrics: ["c"], timesMs: [20], values: [3] },
      { metrics: ["d"], timesMs: [20, 10], values: [4, 5] },
    ]);
  });

  it("count from the earliest time, also before 1970", () => {
    rowColumns.begin(3);
    for (const timeMs of [5, -7, 0]) rowColumns.add("a", timeMs, 1);
    const [{ baseTimeMs, offsetsMs }] = rowColumns.tables();
    expect([baseTimeMs, [...(offsetsMs as Uint32Array)]]).toEqual([-7, [12, 0, 7]]);
  });

  it("may be 2^32 - 1 ms apart, and no more", () => {
    expect(
      tablesOf([
        ["a", 0, 1],
        ["a", 2 ** 32 - 1, 2],
      ])[0].timesMs,
    ).toEqual([0, 2 ** 32 - 1]);
    expect(() =>
      tablesOf([
        ["a", 0, 1],
        ["a", 2 ** 32, 2],
      ]),
    ).toThrow("samples of one metric are 4294967296 ms apart, the limit is 4294967295; send them in several batches");
  });

  it("are all there, in their order, whatever comes", () => {
    const row = fc.tuple(fc.constantFrom("a", "b", "c", "d"), fc.integer({ min: 0, max: 3 }), fc.integer());
    fc.assert(
      fc.property(fc.array(row, { minLength: 1, maxLength: 40 }), (rows) => {
        const found = tablesOf(rows).flatMap(({ metrics, timesMs, values }) =>
          metrics.flatMap((metric, m) => timesMs.map((timeMs, t) => [metric, timeMs, values[m * timesMs.length + t]])),
        );
        const byMetric = (name: string) => (each: readonly unknown[]) => each[0] === name;
        for (const name of "abcd") expect(found.filter(byMetric(name))).toEqual(rows.filter(byMetric(name)));
      }),
    );
  });
});
