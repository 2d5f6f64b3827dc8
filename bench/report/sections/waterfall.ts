import type { Cell, Encoding, Way } from "../../cell.ts";
import type { Results } from "../../results.ts";
import { cpu } from "../figure.ts";
import { type MeasuredCell, measuredCells, medianIn, ratioIn } from "../measured-cell.ts";
import { advantageText } from "../number.ts";
import { type Block, paragraph, type Section, sectionOf } from "../section.ts";
import { figureIntervalText } from "./names.ts";

interface Step {
  readonly name: string;
  readonly is: (cell: Cell) => boolean;
}

const isWire = (way: Way, encoding: Encoding) => (cell: Cell) =>
  cell.way === way && cell.encoding === encoding && cell.batchesPerMessage === 1;

/** Each changes one thing of the one before. */
const steps: readonly Step[] = [
  { name: "JSON rows over HTTP/1.1", is: isWire("http1", "json-rows") },
  { name: "columns instead of rows", is: isWire("http1", "json-columns") },
  { name: "protobuf instead of JSON", is: isWire("http1", "protobuf-columns") },
  { name: "HTTP/2 instead of HTTP/1.1", is: isWire("http2", "protobuf-columns") },
  { name: "gRPC, unary", is: isWire("grpc-named-unary", "protobuf-columns") },
  { name: "a stream instead of calls", is: isWire("grpc-named-stream", "protobuf-columns") },
  { name: "registered handles instead of names", is: isWire("grpc-stream", "protobuf-columns") },
  {
    name: "several batches per message",
    is: ({ way, batchesPerMessage }) => way === "grpc-stream" && batchesPerMessage > 1,
  },
];

export function waterfall(results: Results): Section | undefined {
  const sizes = Map.groupBy(measuredCells(results, "waterfall"), ({ cell }) => cell.batchSamples);
  const blocks = [...sizes].sort(([a], [b]) => a - b).flatMap(([size, measured]) => blocksOf(size, measured));
  return sectionOf("waterfall", "Which step brings what", [paragraph(howToRead), ...blocks]);
}

const howToRead =
  "Each step changes one thing of the one above it and keeps the rest, but for what is told below. More than 1 is cheaper, " +
  "less than 1 is dearer, ~ is a step that was not shown to change anything.";

function blocksOf(batchSamples: number, measured: readonly MeasuredCell[]): Block[] {
  const found = steps.flatMap(({ name, is }) => {
    const at = measured.find(({ cell }) => is(cell));
    return at === undefined ? [] : [{ name, at }];
  });
  if (found.length < 2) return [];
  const missing = steps.filter(({ name }) => !found.some((step) => step.name === name)).map(({ name }) => name);
  const [first] = found;
  return [
    {
      kind: "table",
      caption: `Batches of ${batchSamples} samples: server CPU s per million samples`,
      columns: ["step", cpu.head, "times cheaper than the step above", "than the first"],
      rows: found.map(({ name, at }, i) => [
        `${i + 1}. ${name}`,
        figureIntervalText(at, cpu),
        i === 0 ? "" : advantageText(ratioIn(found[i - 1].at, at, cpu.of)),
        i === 0 ? "" : advantageText(ratioIn(first.at, at, cpu.of)),
      ]),
      bars: found.map(({ at }) => medianIn(at, cpu.of)),
    },
    ...connectionsText(found.map(({ at }) => at.cell)).map(paragraph),
    ...found.filter(({ at }) => at.cell.batchesPerMessage > 1).map(({ at }) => paragraph(growth(at.cell))),
    ...(missing.length === 0 ? [] : [paragraph(`Without a valid trial, and passed over: ${missing.join("; ")}.`)]),
  ];
}

/** What goes with the step from HTTP/1.1 to what comes behind it. */
function connectionsText(cells: readonly Cell[]): string[] {
  const after = cells.findIndex(({ way }) => way !== "http1");
  if (after < 1) return [];
  const [before, { way, connections }] = [cells[after - 1], cells[after]];
  const step = way === "http2" ? "With HTTP/2" : `With step ${after + 1}`;
  return [
    `${step} more than the protocol changes: ${before.connections} connections become ${connections}, and the load generator ` +
      "changes from autocannon to our own client. What is compared is the server's CPU, which the generator's is no part of.",
  ];
}

function growth({ batchSamples, batchesPerMessage: batches }: Cell): string {
  return (
    `In the last step the samples per message grow by ${batches}, from ${batchSamples} to ${batchSamples * batches}, and ` +
    `with them those in flight: it is what batching brings, not what the wire does. The headline has JSON with as many ` +
    "samples per request beside it."
  );
}
