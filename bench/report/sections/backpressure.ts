import { cellName } from "../../cell.ts";
import type { Results, Timeline } from "../../results.ts";
import { large } from "../number.ts";
import { type Block, type LineChart, paragraph, type Section, sectionOf, type Table } from "../section.ts";

/** What servers did over time. */
export function backpressure(results: Results): Section | undefined {
  const timelines = results.timelines.filter(({ columns, rows }) => columns.length > 1 && rows.length > 1);
  return sectionOf("backpressure", "Backpressure over time", [
    paragraph(
      "More is offered for a while than can be settled: what was settled, how many messages waited in the generator " +
        "meanwhile, and what the server held.",
    ),
    ...timelines.flatMap(blocksOf),
  ]);
}

function blocksOf(timeline: Timeline): Block[] {
  const [, ...columns] = timeline.columns;
  const units = Map.groupBy(columns, unitOf);
  return [...[...units].map(([unit, names]) => chartOf(timeline, unit, names)), tableOf(timeline)];
}

/** `bytes in flight` and `server RSS in bytes` are drawn on one scale, `acked samples/s` and `messages waiting` on their own. */
function unitOf(column: string): string {
  if (column.includes("bytes")) return "bytes";
  return column.endsWith("samples/s") ? "samples/s" : column;
}

function chartOf({ scenario, cell, columns, rows }: Timeline, unit: string, names: readonly string[]): LineChart {
  return {
    kind: "lines",
    caption: `${scenario}, ${cellName(cell)}: ${names.join(", ")}`,
    x: { label: "seconds", isLog: false },
    y: { label: unit, isLog: false },
    lines: names.map((name, i) => ({
      label: name,
      color: i,
      dash: i % 3,
      points: rows
        .map((row) => ({ x: row[0], value: row[columns.indexOf(name)] }))
        .filter(({ x, value }) => Number.isFinite(x) && Number.isFinite(value)),
    })),
  };
}

function tableOf({ scenario, cell, columns, rows }: Timeline): Table {
  const [, ...names] = columns;
  return {
    kind: "table",
    caption: `${scenario}, ${cellName(cell)}: over ${large(rows[rows.length - 1][0])} s`,
    columns: ["column", "least", "most", "at the end"],
    rows: names.map((name, i) => {
      const values = rows.map((row) => row[i + 1]).filter(Number.isFinite);
      if (values.length === 0) return [name, "-", "-", "-"];
      const extremes = [values.reduce((a, b) => Math.min(a, b)), values.reduce((a, b) => Math.max(a, b))];
      return [name, ...[...extremes, values[values.length - 1]].map(large)];
    }),
  };
}
