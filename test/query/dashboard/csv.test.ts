import { parse } from "csv-parse/sync";
import { expect, it } from "vitest";
import { csvOf } from "../../../query/dashboard/src/state/csv.ts";
import { SeriesColumns } from "../../../query/dashboard/src/state/series-columns.ts";
import { windowOf } from "./windows.ts";

const span = { fromMs: 0, toMs: 20_000 };

function seriesOf(...starts: number[]): SeriesColumns {
  const series = new SeriesColumns("gauge");
  for (const startMs of starts) series.put(windowOf({ startMs, sum: 0.1 + 0.2 }), 1);
  return series;
}

it("has the windows of the range with all digits, and nothing where there is no value", () => {
  const rows = parse(csvOf([{ source: "d", metric: "m", series: seriesOf(0, 10_000, 20_000) }], span), {
    columns: true,
  });
  expect(rows).toHaveLength(2);
  expect(rows[0]).toMatchObject({
    source: "d",
    window: "1970-01-01T00:00:00Z",
    state: "final",
    mean: "0.30000000000000004",
    rate_per_second: "",
  });
});

it("has names as they are, but none that a spreadsheet would calculate", () => {
  const sources = ['a "b", c\r\nd', "=cmd()", "@x", "-1", "plain"];
  const text = csvOf(
    sources.map((source) => ({ source, metric: "m", series: seriesOf(0) })),
    span,
  );
  const rows: { source: string }[] = parse(text, { columns: true });
  expect(rows.map(({ source }) => source)).toEqual(['a "b", c\r\nd', "'=cmd()", "'@x", "'-1", "plain"]);
});
