import type { Results } from "../../results.ts";
import { ackP99, bytes, cpu, throughput } from "../figure.ts";
import { type MeasuredCell, measuredCells, medianIn, ratioIn } from "../measured-cell.ts";
import { advantageText, costInWords } from "../number.ts";
import type { Ratio } from "../ratio.ts";
import { paragraph, type Section, sectionOf, type Table } from "../section.ts";
import { encodingName, figureIntervalText, figureText, shapeName } from "./names.ts";

/** Streams against JSON over HTTP/1.1 with as many samples in each request. */
export interface HeadlineRow {
  readonly ours: MeasuredCell;
  readonly json: MeasuredCell;
  /** How many times as much server CPU JSON takes: above 1 speaks for streams. */
  readonly cpu: Ratio | undefined;
  /** How many times as many samples per second come through streams. */
  readonly throughput: Ratio | undefined;
}

/** By batches and samples per message, ascending, JSON rows before JSON columns. */
export function headlineRows(results: Results): HeadlineRow[] {
  const measured = measuredCells(results, "headline");
  const json = measured.filter(({ cell }) => cell.way === "http1" && cell.encoding.startsWith("json"));
  return measured
    .filter(({ cell }) => cell.way === "grpc-stream")
    .sort((a, b) => samplesOf(a) - samplesOf(b))
    .flatMap((ours) =>
      json
        .filter((other) => samplesOf(other) === samplesOf(ours))
        .sort((a, b) => b.cell.encoding.localeCompare(a.cell.encoding))
        .map((other) => ({
          ours,
          json: other,
          cpu: ratioIn(other, ours, cpu.of),
          throughput: ratioIn(ours, other, throughput.of),
        })),
    );
}

export function headline(results: Results): Section | undefined {
  const rows = headlineRows(results);
  const blocks =
    rows.length === 0
      ? []
      : [...rows.map(sentence).map(paragraph), cpuTable(rows), ratioTable(rows), messageTable(rows)];
  return sectionOf("headline", "gRPC streams against JSON over HTTP/1.1", blocks);
}

/** `At 10 samples per batch, a gRPC stream needs 3.10 times less server CPU than JSON rows over HTTP/1.1 ...` */
export function sentence({ ours, json, cpu: ratio }: HeadlineRow): string {
  const { batchSamples, batchesPerMessage } = ours.cell;
  const per = batchesPerMessage === 1 ? "" : ` and ${batchesPerMessage} batches per message`;
  const other = `${encodingName(json.cell.encoding)} over HTTP/1.1 with as many samples per request`;
  return `At ${batchSamples} samples per batch${per}, a gRPC stream needs ${costInWords(ratio, "server CPU", other)}.`;
}

/** One row for each side. */
function cpuTable(rows: readonly HeadlineRow[]): Table {
  const sides = rows.flatMap((row) => {
    const [shape, against] = namesOf(row);
    return [
      { name: `${samplesOf(row.json)} per request, ${against}`, at: row.json },
      { name: `${shape}, gRPC stream`, at: row.ours },
    ];
  });
  return {
    kind: "table",
    caption: "Server CPU s per million samples: less is better",
    columns: ["samples per batch x batches per message", cpu.head],
    rows: sides.map(({ name, at }) => [name, figureIntervalText(at, cpu)]),
    bars: sides.map(({ at }) => {
      const median = medianIn(at, cpu.of);
      return median && { ...median, isOther: at.cell.way === "http1" };
    }),
  };
}

function ratioTable(rows: readonly HeadlineRow[]): Table {
  return {
    kind: "table",
    caption: "The ratios: more than 1 speaks for the stream, less than 1 against it",
    columns: ["batch", "against", "times less CPU", "samples/s: JSON", "stream", "times the samples/s"],
    rows: rows.map((row) => [
      ...namesOf(row),
      advantageText(row.cpu),
      figureText(row.json, throughput),
      figureText(row.ours, throughput),
      advantageText(row.throughput),
    ]),
  };
}

function messageTable(rows: readonly HeadlineRow[]): Table {
  return {
    kind: "table",
    caption: "Size at the socket, and the time to the ack with the server at its limit",
    columns: ["batch", "against", "bytes per sample: JSON", "stream", "times fewer", "ack p99 ms: JSON", "stream"],
    rows: rows.map((row) => [
      ...namesOf(row),
      figureText(row.json, bytes),
      figureText(row.ours, bytes),
      advantageText(ratioIn(row.json, row.ours, bytes.of)),
      figureText(row.json, ackP99),
      figureText(row.ours, ackP99),
    ]),
  };
}

function namesOf({ ours, json }: HeadlineRow): [string, string] {
  const apart = json.cell.slots === ours.cell.slots ? "" : `, ${json.cell.connections} connections`;
  return [shapeName(ours.cell), `${encodingName(json.cell.encoding)}${apart}`];
}

function samplesOf({ cell }: MeasuredCell): number {
  return cell.batchSamples * cell.batchesPerMessage;
}
