import { describe, expect, it } from "vitest";
import { type Cell, encodings, type Way } from "../../../bench/cell.ts";
import type { GeneratorPlan } from "../../../bench/load/messages.ts";
import { runTrial } from "../../../bench/load/trial.ts";
import { certificate } from "./support/certificate.ts";
import type { DecodedBatch } from "./support/decode.ts";
import { type Door, type DoorOptions, startHttp1, startHttp2, startNamed } from "./support/doors.ts";
import { Heard, planOf } from "./support/plan.ts";

type NamedWay = Extract<Way, "http1" | "http2" | "grpc-named-unary" | "grpc-named-stream">;

const starts: Readonly<Record<NamedWay, (options: DoorOptions) => Promise<Door>>> = {
  http1: startHttp1,
  http2: startHttp2,
  "grpc-named-unary": startNamed,
  "grpc-named-stream": startNamed,
};

interface Run {
  readonly way: NamedWay;
  readonly cell?: Partial<Cell>;
  readonly plan?: Partial<GeneratorPlan>;
  readonly door?: DoorOptions;
  readonly ca?: string;
}

/** A trial against a door that has no queries: as against a server that keeps nothing. */
async function run({ way, cell, plan, door: options = {}, ca }: Run) {
  const door = await starts[way](options);
  const heard = new Heard();
  const addresses = { grpc: door.address, http1: door.address, http2: door.address, ca };
  const trial = planOf(addresses, { way, ...cell }, { isNull: true, warmUpMs: 20, measureMs: 100, ...plan });
  return { door, heard, trial, report: await runTrial(trial, heard.say) };
}

/** Sequences of each device, in the order in which they came. */
function sequencesOf(batches: readonly DecodedBatch[]): Map<string, number[]> {
  const sequences = new Map<string, number[]>();
  for (const { device = "", sequence } of batches) {
    sequences.set(device, [...(sequences.get(device) ?? []), sequence]);
  }
  return sequences;
}

/** Each device's batches came one after the other; what was cut off came again at the end. */
function expectFreshSequences(batches: readonly DecodedBatch[], repeatsMax: number): void {
  const all = [...sequencesOf(batches).values()];
  for (const sequences of all) {
    const distinct = [...new Set(sequences)];
    expect(distinct).toEqual(distinct.map((_, i) => i + 1));
    expect(sequences.slice(0, distinct.length)).toEqual(distinct);
  }
  const repeats = all.reduce((sum, sequences) => sum + sequences.length - new Set(sequences).size, 0);
  expect(repeats).toBeLessThanOrEqual(repeatsMax);
}

const httpCells = (["http1", "http2"] as const).flatMap((way) => encodings.map((encoding) => ({ way, encoding })));
const named = [
  ...httpCells,
  { way: "grpc-named-unary", encoding: "protobuf-columns" } as const,
  { way: "grpc-named-stream", encoding: "protobuf-columns" } as const,
];

describe("a trial by names", () => {
  it.each(named)("$way $encoding sends fresh sequences in every body, closed loop", async ({ way, encoding }) => {
    const { door, heard, report } = await run({ way, cell: { encoding, batchSamples: 20 } });
    // Autocannon cuts off what is in flight at its end: one message per slot at most.
    expectFreshSequences(door.batches, way === "http1" ? 4 : 0);
    expect(sequencesOf(door.batches).size).toBe(4);
    expect(new Set(door.batches.map(({ samples }) => samples.length))).toEqual(new Set([20]));
    expect(report.samples).toBeGreaterThan(0);
    expect(report.samples).toBeLessThanOrEqual(20 * door.batches.length);
    expect(report.seconds).toBeGreaterThan(0.09);
    expect(report.cpuSeconds).toBeGreaterThan(0);
    expect(report.ackMs.p50).toBeGreaterThan(0);
    expect(heard.kinds).toEqual(["measuring", "measured"]);
  });

  it.each(named)("$way $encoding sends as many as the schedule says, open loop", async ({ way, encoding }) => {
    const openLoop = { arrival: "constant", samplesPerSecond: 2_000 } as const;
    const { door } = await run({ way, cell: { encoding, batchSamples: 20 }, plan: { openLoop, measureMs: 180 } });
    expectFreshSequences(door.batches, 0);
    // 100 messages per second for 0.2 s; what is due just when it is over may not be sent any more.
    expect(door.batches.length).toBeGreaterThanOrEqual(10);
    expect(door.batches.length).toBeLessThanOrEqual(20);
  });

  it.each(["http1", "http2"] as const)("%s compresses its bodies", async (way) => {
    const { door } = await run({ way, cell: { encoding: "json-rows", gzip: true } });
    expectFreshSequences(door.batches, 4);
    expect(door.batches.length).toBeGreaterThan(0);
  });

  it.each(["grpc-named-unary", "grpc-named-stream"] as const)("%s compresses its messages", async (way) => {
    const { door } = await run({ way, cell: { gzip: true } });
    expectFreshSequences(door.batches, 0);
    expect(door.batches.length).toBeGreaterThan(0);
  });

  it.each(["http1", "http2", "grpc-named-unary", "grpc-named-stream"] as const)("%s goes over TLS", async (way) => {
    const tls = await certificate();
    const { door } = await run({ way, cell: { tls: true }, door: { tls }, ca: tls.ca });
    expect(door.batches.length).toBeGreaterThan(0);
    const openLoop = { arrival: "poisson", samplesPerSecond: 20_000 } as const;
    const open = await run({ way, cell: { tls: true }, plan: { openLoop }, door: { tls }, ca: tls.ca });
    expect(open.door.batches.length).toBeGreaterThan(0);
  });

  it("http1 has a connection for each slot, http2 as many as told", async () => {
    const one = await run({ way: "http1", cell: { encoding: "json-rows", slots: 8 } });
    // Of autocannon, and then those of whoever sends again what it has cut off.
    expect(one.door.connections).toBeGreaterThanOrEqual(8);
    expect(one.door.connections).toBeLessThanOrEqual(16);
    const two = await run({ way: "http2", cell: { encoding: "json-rows", slots: 8, connections: 3 } });
    expect(two.door.connections).toBe(3);
  });

  it("http1 sends again what autocannon has cut off, with the same sequence and samples", async () => {
    const held = Promise.withResolvers<void>();
    const door = await startHttp1({ held: held.promise });
    const heard = new Heard();
    const plan = planOf({ http1: door.address }, { way: "http1", encoding: "json-rows" }, { isNull: true });
    const trial = runTrial(plan, heard.say);
    await expect.poll(() => door.batches.length, { timeout: 20_000 }).toBe(8);
    held.resolve();
    expect((await trial).samples).toBe(0);
    expect([...sequencesOf(door.batches).values()]).toEqual([
      [1, 1],
      [1, 1],
      [1, 1],
      [1, 1],
    ]);
    const [first] = door.batches;
    expect(door.batches.filter(({ device }) => device === first.device)).toEqual([first, first]);
  });

  it.each([
    ["http1", undefined],
    ["http1", { arrival: "constant", samplesPerSecond: 50_000 }],
    ["http2", undefined],
  ] as const)("%s fails with the server's reason when it refuses", async (way, openLoop) => {
    const refuse = (count: number) => (count > 10 ? "INVALID_FIELD" : undefined);
    const failed = run({
      way,
      cell: { encoding: "json-rows" },
      plan: { openLoop, measureMs: 5_000 },
      door: { refuse },
    });
    await expect(failed).rejects.toMatchObject({
      reason: "INVALID_FIELD",
      message: "the server has answered 400: metrics[0] is not to be had; send another",
    });
  });

  it.each(["http1", "http2", "grpc-named-stream"] as const)("%s fails when there is no server", async (way) => {
    const nobody = "127.0.0.1:1";
    const plan = planOf({ grpc: nobody, http1: nobody, http2: nobody }, { way }, { isNull: true });
    await expect(runTrial(plan, new Heard().say)).rejects.toMatchObject({ status: "UNAVAILABLE" });
  });
});
