import { invalidField } from "../../lib/base/errors.ts";
import { type Cell, cellOf, defaultCell, type Encoding, encodings, type Way } from "../cell.ts";
import type { Arrival } from "../load/schedule.ts";
import type { Effort } from "../results.ts";

/** Cells that are measured together: their trials are interleaved, so that each is held against the others. */
export interface Scenario {
  readonly name: string;
  readonly cells: readonly Cell[];
  /** Measured besides at these parts of what each cell reaches in a closed loop. */
  readonly loads?: readonly number[];
  readonly arrival?: Arrival;
  /** A subscription measures how fresh samples are. */
  readonly subscribe?: boolean;
  /** In a full run each trial is measured so long at least. */
  readonly measureMsMin?: number;
  /** What the server does is written down ten times a second. */
  readonly timeline?: boolean;
}

export interface BenchSet {
  readonly name: string;
  readonly effort: Effort;
  readonly scenarios: readonly Scenario[];
}

/** Batch shapes of the headline: samples per batch, batches per message. */
const shapes = [
  [10, 1],
  [10, 16],
  [100, 16],
  [1_000, 1],
] as const;

/** Where one factor at a time is changed: messages dominate in the one, samples in the other. */
const anchors = [10, 1_000] as const;

const jsonRows = { way: "http1", encoding: "json-rows" } as const;
const stream = { way: "grpc-stream", encoding: "protobuf-columns" } as const;
/** Windows of the finest tier are stored together, once in so long: shorter trials have that, or do not. */
const storeCycleMs = 10_000;

/** What people use, and what Tidemark is made for. */
const rivals = [jsonRows, stream];

/** As many samples per request, in flight, and series on both sides. */
function headlineCells(): Cell[] {
  return shapes.flatMap(([batchSamples, batchesPerMessage]) => {
    const ours = cellOf({ ...stream, batchSamples, batchesPerMessage });
    const samples = batchSamples * batchesPerMessage;
    return [cellOf({ ...jsonRows, batchSamples: samples, devices: ours.devices }), ours];
  });
}

/** Each step changes one factor. The series are as many in all of them. */
function waterfallCells(batchSamples: number): Cell[] {
  const last = cellOf({ ...stream, batchSamples, batchesPerMessage: 16 });
  const steps: readonly (readonly [Way, Encoding])[] = [
    ["http1", "json-rows"],
    ["http1", "json-columns"],
    ["http1", "protobuf-columns"],
    ["http2", "protobuf-columns"],
    ["grpc-named-unary", "protobuf-columns"],
    ["grpc-named-stream", "protobuf-columns"],
    ["grpc-stream", "protobuf-columns"],
  ];
  return [...steps.map(([way, encoding]) => cellOf({ way, encoding, batchSamples, devices: last.devices })), last];
}

const allWays: readonly (readonly [Way, Encoding])[] = [
  ["http1", "json-rows"],
  ["http1", "json-columns"],
  ["http1", "protobuf-rows"],
  ["http1", "protobuf-columns"],
  ["http2", "json-rows"],
  ["http2", "json-columns"],
  ["http2", "protobuf-rows"],
  ["http2", "protobuf-columns"],
  ["grpc-named-unary", "protobuf-columns"],
  ["grpc-named-stream", "protobuf-columns"],
  ["grpc-push", "protobuf-columns"],
  ["grpc-upload", "protobuf-columns"],
  ["grpc-stream", "protobuf-columns"],
];

function wayCells(batchSamples: number): Cell[] {
  return allWays.map(([way, encoding]) => cellOf({ way, encoding, batchSamples }));
}

function batchSizeCells(): Cell[] {
  const sizes = [1, 10, 100, 1_000, 5_000];
  const columns = { encoding: "protobuf-columns" } as const;
  const arms = [
    jsonRows,
    { ...jsonRows, encoding: "json-columns" as const },
    { ...columns, way: "http1" as const },
    { ...columns, way: "grpc-push" as const },
    stream,
  ];
  return arms.flatMap((arm) => sizes.map((batchSamples) => cellOf({ ...arm, batchSamples })));
}

/** The anchors, and each of them with other settings. */
function oneFactor(name: string, variants: readonly Partial<Cell>[]): Scenario {
  const cells = rivals.flatMap((rival) =>
    anchors.flatMap((batchSamples) =>
      [{}, ...variants].map((variant) => cellOf({ ...rival, batchSamples, ...variant })),
    ),
  );
  return { name, cells };
}

/** As many messages in flight as connections, and for streams all messages on few connections too. */
function connectionCells(): Cell[] {
  const few = anchors.flatMap((batchSamples) => [1, 8].map((connections) => ({ batchSamples, connections })));
  const devices = defaultCell.devices;
  const each = [{ slots: 1, connections: 1, devices }, { slots: 8, connections: 8, devices }, { connections: 64 }];
  return [...oneFactor("", each).cells, ...few.map((variant) => cellOf({ ...stream, ...variant }))];
}

/** All encodings: how much smaller one is than another depends on whether they are compressed. */
function gzipCells(): Cell[] {
  const arms = [...encodings.map((encoding) => ({ way: "http1", encoding }) as const), stream];
  return anchors.flatMap((batchSamples) =>
    arms.flatMap((arm) => [false, true].map((gzip) => cellOf({ ...arm, batchSamples, gzip }))),
  );
}

const scenarios: readonly Scenario[] = [
  { name: "headline", cells: headlineCells(), measureMsMin: storeCycleMs },
  { name: "waterfall", cells: waterfallCells(100) },
  { name: "ways", cells: anchors.flatMap(wayCells) },
  { name: "batch-size", cells: batchSizeCells() },
  { name: "connections", cells: unique(connectionCells()) },
  oneFactor("durability", [{ durability: "process" }]),
  { name: "gzip", cells: gzipCells() },
  oneFactor("tls", [{ tls: true }]),
  { ...oneFactor("series", [{ devices: 10_000 }]), measureMsMin: storeCycleMs },
  oneFactor("late", [{ late: 0.3 }]),
  {
    name: "latency",
    cells: rivals.map((rival) => cellOf({ ...rival, batchSamples: 100 })),
    loads: [0.2, 0.5, 0.8, 0.9],
    arrival: "poisson",
    subscribe: true,
  },
  {
    name: "backpressure",
    // More in flight than the server takes: 4 MiB per call, 32 MiB in all.
    cells: [cellOf({ ...stream, batchSamples: 1_000, slots: 8_192 })],
    loads: [1.5],
    arrival: "step",
    timeline: true,
  },
];

/** What `--smoke` runs: every way, with next to nothing. */
const smoke: Scenario = {
  name: "smoke",
  cells: [
    ...allWays.map(([way, encoding]) => cellOf({ way, encoding, batchSamples: 10, slots: 16, connections: 2 })),
    cellOf({ ...stream, batchSamples: 10, batchesPerMessage: 4, slots: 16 }),
    ...rivals.map((rival) => cellOf({ ...rival, batchSamples: 100, slots: 4, connections: 2, gzip: true, tls: true })),
  ],
};

/** A new process compiles what runs hot: in the second after the first one, a quarter of a server's processor time was that. */
const warmUpMs = 3_000;
const quickEffort: Effort = { rounds: 3, warmUpMs, measureMs: 1_500, ceilingRounds: 3, isFull: false };
const fullEffort: Effort = { rounds: 5, warmUpMs, measureMs: 2_000, ceilingRounds: 3, isFull: true };
const smokeEffort: Effort = { rounds: 1, warmUpMs: 50, measureMs: 250, ceilingRounds: 0, isFull: false };

export const setNames = ["quick", "full", "smoke"] as const;
export type SetName = (typeof setNames)[number];
export const scenarioNames: readonly string[] = scenarios.map(({ name }) => name);

/** The scenarios of a set, and how much effort goes into them. */
export function benchSet(name: SetName): BenchSet {
  if (name === "smoke") return { name, effort: smokeEffort, scenarios: [smoke] };
  if (name === "full") return { name, effort: fullEffort, scenarios };
  const [headline, waterfall] = ["headline", "waterfall"].map(scenarioOf);
  const latency = { ...scenarioOf("latency"), loads: [0.5, 0.8] };
  return { name, effort: quickEffort, scenarios: [headline, waterfall, latency] };
}

/** @throws TelemetryError when there is none of this name */
export function scenarioOf(name: string): Scenario {
  const found = scenarios.find((scenario) => scenario.name === name);
  if (found !== undefined) return found;
  throw invalidField("--scenario", `is ${JSON.stringify(name)}`, `choose one of ${scenarioNames.join(", ")}`);
}

function unique(cells: readonly Cell[]): Cell[] {
  return [...new Map(cells.map((cell) => [JSON.stringify(cell), cell])).values()];
}
