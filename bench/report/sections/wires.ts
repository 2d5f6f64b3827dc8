import type { Results } from "../../results.ts";
import { ackP99, bytes, cpu, throughput } from "../figure.ts";
import { type MeasuredCell, measuredCells, medianIn } from "../measured-cell.ts";
import { paragraph, type Section, sectionOf, type Table } from "../section.ts";
import { figureIntervalText, figureText, wireName } from "./names.ts";

/** Every way and encoding with the same batches. */
export function wires(results: Results): Section | undefined {
  const sizes = Map.groupBy(measuredCells(results, "ways"), ({ cell }) => cell.batchSamples);
  return sectionOf("ways", "Every way in, with the same batches", [
    paragraph(
      "All of them end in the same pipeline, store and fsync. PushBatch answers each batch, UploadBatches once at the " +
        "end of a call.",
    ),
    ...[...sizes].sort(([a], [b]) => a - b).map(([size, measured]) => tableOf(size, measured)),
  ]);
}

function tableOf(batchSamples: number, measured: readonly MeasuredCell[]): Table {
  const sorted = [...measured].sort((a, b) => cost(b) - cost(a));
  return {
    kind: "table",
    caption: `Batches of ${batchSamples} samples, dearest first`,
    columns: ["wire", cpu.head, throughput.head, bytes.head, ackP99.head],
    rows: sorted.map((each) => [
      wireName(each.cell),
      figureIntervalText(each, cpu),
      figureText(each, throughput),
      figureText(each, bytes),
      figureText(each, ackP99),
    ]),
    bars: sorted.map((each) => medianIn(each, cpu.of)),
  };
}

function cost(measured: MeasuredCell): number {
  return medianIn(measured, cpu.of)?.value ?? 0;
}
