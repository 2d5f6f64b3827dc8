import { type Cell, cellOf, type Encoding, type Way } from "../../../bench/cell.ts";
import type { Figures, MicroTrial, Results, Timeline, Trial } from "../../../bench/results.ts";
import { Prng } from "../../../lib/base/prng.ts";

export const digest = "5b1f0c9e2d7a4438";

/** Microseconds of server CPU that a message takes, and nanoseconds that a sample does: about what was once measured. */
const messageUs: Readonly<Record<Way, number>> = {
  http1: 42,
  http2: 55,
  "grpc-named-unary": 71,
  "grpc-named-stream": 21,
  "grpc-push": 62,
  "grpc-upload": 14,
  "grpc-stream": 13,
};
const sampleNs: Readonly<Record<Encoding, number>> = {
  "json-rows": 930,
  "json-columns": 310,
  "protobuf-rows": 460,
  "protobuf-columns": 105,
};
const sampleBytes: Readonly<Record<Encoding, number>> = {
  "json-rows": 61,
  "json-columns": 19,
  "protobuf-rows": 24,
  "protobuf-columns": 9.2,
};

/** What a cell costs without noise, in CPU seconds per million samples. */
export function trueCpu({ way, encoding, batchSamples, batchesPerMessage, ...cell }: Cell): number {
  const batchUs = way.startsWith("grpc-") && !way.includes("named") ? 1.6 : 4;
  const messages = messageUs[way] / (batchSamples * batchesPerMessage);
  const extra =
    (cell.gzip ? 0.14 : 0) + (cell.tls ? 0.03 : 0) + cell.late * 0.4 + (cell.durability === "fsync" ? 0.01 : 0);
  const connections = way === "grpc-stream" ? Math.log2(cell.connections) * 0.002 : 0;
  return messages + batchUs / batchSamples + sampleNs[encoding] / 1_000 + extra + connections;
}

export interface ResultsOptions {
  readonly rounds?: number;
  readonly seed?: number;
  /** All by default. */
  readonly scenarios?: readonly string[];
}

/** Results as a full run might have them, with log-normal noise that the trials of a round share in part. */
export function benchResults({ rounds = 5, seed = 1, scenarios }: ResultsOptions = {}): Results {
  const isWanted = ({ scenario }: { scenario: string }) => scenarios?.includes(scenario) ?? true;
  const prng = new Prng(seed, "results");
  const trials = plan()
    .filter(isWanted)
    .flatMap((planned) => Array.from({ length: rounds }, (_, round) => ({ ...planned, round })))
    .sort((a, b) => a.round - b.round)
    .map((planned) => trialOf(planned, seed, prng));
  return {
    format: 1,
    machine: {
      cpus: 2,
      cpuModel: "Example CPU @ 2.80GHz",
      memoryBytes: 8_200_000_000,
      os: "Linux 6.1.0 x64",
      versions: { node: "24.21.0", sqlite: "3.51.3", "@grpc/grpc-js": "1.14.7", "better-sqlite3": "13.2.0" },
    },
    commit: "f81fa35",
    seed,
    startedAt: "2026-03-04T05:06:07.000Z",
    seconds: 5_400,
    set: "full",
    effort: { rounds, warmUpMs: 1_000, measureMs: 5_000, ceilingRounds: 3, isFull: true },
    pragmas: { journal_mode: "wal", synchronous: "FULL" },
    limits: "device-rate off, device-series-max 1000, series-max 150000",
    trials,
    timelines: [timelineOf()].filter(isWanted),
    micro: scenarios === undefined || scenarios.includes("micro") ? microTrials(rounds, prng) : [],
  };
}

interface Planned {
  readonly scenario: string;
  readonly cell: Cell;
  readonly offer?: { readonly load: number } & Pick<Figures, "arrival" | "offeredPerSecond">;
}

function plan(): Planned[] {
  const of = (scenario: string, cells: readonly Partial<Cell>[]) =>
    cells.map((cell): Planned => ({ scenario, cell: cellOf(cell) }));
  const json = { way: "http1", encoding: "json-rows" } as const;
  const shapes = [
    [10, 1],
    [10, 16],
    [100, 16],
    [1_000, 1],
  ] as const;
  const wires: Partial<Cell>[] = [
    json,
    { way: "http1", encoding: "json-columns" },
    { way: "http1", encoding: "protobuf-columns" },
    { way: "http2", encoding: "protobuf-columns" },
    { way: "grpc-named-unary" },
    { way: "grpc-named-stream" },
    { way: "grpc-stream" },
  ];
  const anchors: Partial<Cell>[] = [{ batchSamples: 100 }, { ...json, batchSamples: 100 }];
  const each = (change: Partial<Cell>) => anchors.map((anchor) => ({ ...anchor, ...change }));
  return [
    ...of(
      "headline",
      shapes.flatMap(([batchSamples, batchesPerMessage]) => [
        { batchSamples, batchesPerMessage },
        { ...json, batchSamples: batchSamples * batchesPerMessage },
      ]),
    ),
    ...of(
      "waterfall",
      [10, 100].flatMap((batchSamples) => [
        ...wires.map((wire) => ({ ...wire, batchSamples })),
        { batchSamples, batchesPerMessage: 16 },
      ]),
    ),
    ...of(
      "batch-size",
      [1, 10, 100, 1_000, 5_000].flatMap((batchSamples) => [
        ...wires.map((wire) => ({ ...wire, batchSamples })),
        ...(batchSamples <= 1_000 ? [{ batchSamples, batchesPerMessage: 16 }] : []),
      ]),
    ),
    ...of("ways", [
      ...wires,
      { way: "http1", encoding: "protobuf-rows" },
      { way: "http2", encoding: "json-rows" },
      { way: "grpc-push" },
      { way: "grpc-upload" },
    ]),
    ...of(
      "connections",
      anchors
        .flatMap((anchor): Partial<Cell>[] => [
          anchor,
          ...[1, 8].map((slots) => ({ ...anchor, slots, connections: slots })),
        ])
        .concat([1, 8, 64].map((connections) => ({ connections, batchSamples: 100 })))
        .map((cell) => ({ ...cell, devices: 64 })),
    ),
    ...of("durability", [...each({}), ...each({ durability: "process" })]),
    ...of(
      "gzip",
      wires
        .slice(0, 3)
        .concat(anchors[0])
        .flatMap((wire) => [wire, { ...wire, gzip: true }]),
    ),
    ...of("tls", [...each({}), ...each({ tls: true })]),
    ...of("series", [...each({}), ...each({ devices: 10_000 })]),
    ...of("late", [...each({}), ...each({ late: 0.3 })]),
    ...(["constant", "poisson"] as const).flatMap((arrival) =>
      [0.2, 0.4, 0.6, 0.8, 0.9].map(
        (share): Planned => ({
          scenario: "latency",
          cell: cellOf({}),
          offer: { load: share, arrival, offeredPerSecond: Math.round(share * 3_100_000) },
        }),
      ),
    ),
  ];
}

/** @param seed of what is common to the trials of a round: the machine was slow then */
function trialOf({ scenario, cell, offer, round }: Planned & { round: number }, seed: number, prng: Prng): Trial {
  const common = 0.1 * new Prng(seed, `${scenario} round ${round}`).normal();
  const noise = (spread: number) => Math.exp(common + spread * prng.normal());
  const cpu = trueCpu(cell) * noise(0.02);
  const limit = (1.25 / cpu) * 1e6 * Math.exp(0.02 * prng.normal());
  const { load, ...open } = offer ?? {};
  const offered = offer?.offeredPerSecond;
  const perSecond = offered === undefined ? limit : Math.min(offered, limit);
  const busy = offered === undefined ? 1 : Math.min(0.97, offered / 3_400_000);
  const p50 = (offered === undefined ? 9 : 1.4 / (1 - busy)) * noise(0.05);
  const tail = (offer?.arrival === "poisson" ? 1.5 : 1) * p50;
  const bytes =
    sampleBytes[cell.encoding] * (cell.gzip ? 0.42 : 1) + 160 / (cell.batchSamples * cell.batchesPerMessage);
  const figures: Figures = {
    samples: Math.round(perSecond * 5),
    seconds: 5,
    samplesPerSecond: perSecond,
    ...open,
    serverCpuSecondsPerMillion: cpu,
    generatorCpuSecondsPerMillion: 0.2 * cpu,
    bytesPerSample: bytes,
    ackMs: { p50, p90: 1.8 * tail, p99: 3.5 * tail, p999: 6 * tail, max: 11 * tail },
    ...(scenario === "latency" && {
      freshnessMs: { p50: 130 + p50, p90: 210 + p50, p99: 280 + 3 * p50, p999: 350 + 6 * p50, max: 420 + 9 * p50 },
    }),
    serverRssPeakBytes: 190_000_000 * noise(0.02),
    ceilingPerSecond: 2.4 * limit,
    lost: 0,
    duplicated: 0,
    seriesWrong: 0,
    digest,
  };
  return { scenario, cell, round, ...(load !== undefined && { load }), figures, invalid: "", doubt: "" };
}

/** An offered load that steps above what can be settled, and back. */
function timelineOf(): Timeline {
  const columns = ["seconds", "acked samples/s", "messages waiting", "bytes in flight", "server RSS in bytes"];
  let waiting = 0;
  const rows = Array.from({ length: 61 }, (_, i) => {
    const seconds = i / 2;
    const offered = seconds < 5 || seconds > 15 ? 1_500_000 : 4_500_000;
    const acked = Math.min(3_100_000 + 60_000 * Math.sin(i), offered + waiting * 200);
    waiting = Math.max(0, waiting + (offered - acked) / 200);
    const inFlight = waiting > 0 ? 32 * 2 ** 20 : 3_000_000 + 400_000 * Math.sin(i * 1.7);
    return [seconds, acked, waiting, inFlight, 180_000_000 + inFlight * 1.4];
  });
  return { scenario: "backpressure", cell: cellOf({}), columns, rows };
}

function microTrials(rounds: number, prng: Prng): MicroTrial[] {
  const suites = [
    ["codec, batches of 100", "sample", { BatchDecoder: 3.1, fromBinary: 21, "JSON.parse": 38 }],
    ["journal, fsync", "group", { "1 KiB": 610_000, "10 KiB": 640_000, "100 KiB": 910_000, "1000 KiB": 3_900_000 }],
  ] as const;
  return Array.from({ length: rounds }, (_, round) =>
    suites.flatMap(([suite, unit, arms]) =>
      Object.entries(arms).map(([arm, ns]) => ({
        suite,
        arm,
        round,
        unit,
        nanosecondsPerUnit: ns * Math.exp(0.05 * prng.normal()),
      })),
    ),
  ).flat();
}
