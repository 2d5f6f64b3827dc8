import type { Results } from "../../results.ts";
import { cpu, type Figure, throughput } from "../figure.ts";
import { type MeasuredCell, measuredCells, medianIn } from "../measured-cell.ts";
import { type Line, type LineChart, paragraph, type Section, sectionOf, type Table } from "../section.ts";
import { figureText, wireName } from "./names.ts";

export function batchSize(results: Results): Section | undefined {
  const measured = measuredCells(results, "batch-size");
  if (measured.length === 0) return undefined;
  const wires = Map.groupBy(measured, ({ cell }) => wireName(cell));
  return sectionOf("batch-size", "Samples per batch", [
    paragraph(
      "A line for each way in, with batches of another size and nothing else changed. Both axes are logarithmic.",
    ),
    ...namesText(measured).map(paragraph),
    chartOf("Throughput by batch size", throughput, wires),
    tableOf(throughput, wires, measured),
    chartOf("Server CPU by batch size", cpu, wires),
    tableOf(cpu, wires, measured),
  ]);
}

/** What batches with fewer samples than the device has metrics carry besides. */
function namesText(measured: readonly MeasuredCell[]): string[] {
  const single = measured.find(({ cell }) => cell.batchSamples === 1 && cell.metrics > 1);
  if (single === undefined) return [];
  return [
    `At 1 sample per batch, protobuf columns with names carry all ${single.cell.metrics} metric names of their device, and JSON ` +
      "columns one: a handle of theirs is a position in the list of names, and stands for one metric throughout a session.",
  ];
}

function chartOf(caption: string, figure: Figure, wires: ReadonlyMap<string, readonly MeasuredCell[]>): LineChart {
  return {
    kind: "lines",
    caption,
    x: { label: "samples per batch", isLog: true },
    y: { label: figure.name, isLog: true },
    lines: [...wires].map(([label, cells], i): Line => ({ label, color: i, dash: i, points: pointsOf(cells, figure) })),
  };
}

function pointsOf(cells: readonly MeasuredCell[], { of }: Figure) {
  return cells
    .flatMap((measured) => {
      const median = medianIn(measured, of);
      return median === undefined || median.value <= 0 ? [] : [{ ...median, x: measured.cell.batchSamples }];
    })
    .sort((a, b) => a.x - b.x);
}

function tableOf(
  figure: Figure,
  wires: ReadonlyMap<string, readonly MeasuredCell[]>,
  measured: readonly MeasuredCell[],
): Table {
  const sizes = [...new Set(measured.map(({ cell }) => cell.batchSamples))].sort((a, b) => a - b);
  return {
    kind: "table",
    caption: `${figure.name}, by samples per batch`,
    columns: ["wire", ...sizes.map((size) => size.toLocaleString("en-US"))],
    rows: [...wires].map(([name, cells]) => [
      name,
      ...sizes.map((size) => {
        const at = cells.find(({ cell }) => cell.batchSamples === size);
        return at === undefined ? "" : figureText(at, figure);
      }),
    ]),
  };
}
