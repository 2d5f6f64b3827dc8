import { cellName } from "../../cell.ts";
import type { Results, Timeline } from "../../results.ts";
import { large } from "../number.ts";
import { type Block, type LineChart, paragraph, type Section, sectionOf, type Table } from "../section.ts";

/** What servers did over time. */
export function backpressure(results: Results): Section | undefined {
  const timelines = results.timelines.filter(({ columns, rows }) => columns.length > 1 && rows.length > 1);
  return sectionOf("backpressure", "Backpressure over time", [
    paragraph("What was offered, what was settled, and where the rest was meanwhile."),
    ...timelines.flatMap(blocksOf),
  ]);
}

function blocksOf(timeline: Timeline): Block[] {
  const [, ...columns] = timeline.columns;
  const units = Map.groupBy(columns, unitOf);
  return [...[...units].map(([unit, names]) => chartOf(timeline, unit, names)), tableOf(timeline)];
}

/** `bytesInFlight` and `rssBytes` are drawn on one scale, rates on another. */
function unitOf(column: string): string {
  if (/bytes/i.test(column)) return "bytes";
  return /per ?second|\/s/i.test(column) ? "samples/s" : wordsOf(column);
}

/** `bytesInFlight` as `bytes in flight`. */
function wordsOf(column: string): string {
  return column.replaceAll(/(?<=[a-z])[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}

function chartOf({ scenario, cell, columns, rows }: Timeline, unit: string, names: readonly string[]): LineChart {
  return {
    kind: "lines",
    caption: `${scenario}, ${cellName(cell)}: ${names.map(wordsOf).join(", ")}`,
    x: { label: "seconds", isLog: false },
    y: { label: unit, isLog: false },
    lines: names.map((name, i) => ({
      label: wordsOf(name),
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
      if (values.length === 0) return [wordsOf(name), "-", "-", "-"];
      const extremes = [values.reduce((a, b) => Math.min(a, b)), values.reduce((a, b) => Math.max(a, b))];
      return [wordsOf(name), ...[...extremes, values[values.length - 1]].map(large)];
    }),
  };
}
