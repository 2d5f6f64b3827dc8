import { cellName } from "../../cell.ts";
import type { Figures, Results } from "../../results.ts";
import { ackP50, ackP99, ackP999, type Figure, throughput } from "../figure.ts";
import { type MeasuredCell, measuredCells, medianIn } from "../measured-cell.ts";
import { large, significant } from "../number.ts";
import { type Line, type LineChart, paragraph, type Section, sectionOf, type Table } from "../section.ts";
import { figureText } from "./names.ts";

const freshness = (name: "p50" | "p99"): Figure => ({
  name: `freshness ${name} ms`,
  head: `freshness ${name} ms`,
  of: ({ freshnessMs }: Figures) => freshnessMs?.[name] ?? Number.NaN,
  format: significant,
});

/** Ack latency against offered load, from the open loop. */
export function latency(results: Results): Section | undefined {
  const measured = measuredCells(results, "latency").filter(({ offeredPerSecond }) => offeredPerSecond !== undefined);
  if (measured.length === 0) return undefined;
  const loads = Map.groupBy(measured, ({ cell, arrival }) => `${cellName(cell)}, ${arrival ?? "constant"} arrivals`);
  return sectionOf("latency", "Latency against offered load", [
    paragraph(howToRead),
    chartOf(loads),
    ...[...loads].map(tableOf),
  ]);
}

const howToRead =
  "Open loop: when each message is due is settled before the first is sent, and its latency counts from then, so that a " +
  "server that stalls is charged with all that waited. Freshness is from a sample's time to its receipt by a subscriber.";

function chartOf(loads: ReadonlyMap<string, readonly MeasuredCell[]>): LineChart {
  const lines = [...loads].flatMap(([label, cells], color): Line[] => [
    { label: `p50, ${label}`, color, dash: 1, points: pointsOf(cells, ackP50) },
    { label: `p99, ${label}`, color, dash: 0, points: pointsOf(cells, ackP99) },
  ]);
  const x = { label: "offered samples/s", isLog: false };
  return { kind: "lines", caption: "Ack latency against offered load", x, y: { label: "ms", isLog: true }, lines };
}

function pointsOf(cells: readonly MeasuredCell[], { of }: Figure): Line["points"] {
  return cells
    .flatMap((measured) => {
      const median = medianIn(measured, of);
      return median === undefined || median.value <= 0 ? [] : [{ ...median, x: measured.offeredPerSecond ?? 0 }];
    })
    .sort((a, b) => a.x - b.x);
}

function tableOf([name, cells]: readonly [string, readonly MeasuredCell[]]): Table {
  const figures = [throughput, ackP50, ackP99, ackP999, freshness("p50"), freshness("p99")];
  const sorted = [...cells].sort((a, b) => (a.offeredPerSecond ?? 0) - (b.offeredPerSecond ?? 0));
  return {
    kind: "table",
    caption: `Ack latency and freshness: ${name}`,
    columns: ["offered samples/s", "settled samples/s", ...figures.slice(1).map(({ head }) => head)],
    rows: sorted.map((each) => [
      large(each.offeredPerSecond ?? 0),
      ...figures.map((figure) => figureText(each, figure)),
    ]),
  };
}
