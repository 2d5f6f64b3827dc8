import { describe, expect, it } from "vitest";
import { type Cell, encodings, type Way } from "../../../bench/cell.ts";
import type { GeneratorMessage, GeneratorPlan } from "../../../bench/load/messages.ts";
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
  /** By what the generator has said: what the door had then. */
  const had = new Map<string, { batches: number; devices: number }>();
  const say = (message: GeneratorMessage) => {
    heard.say(message);
    had.set(message.kind, { batches: door.batches.length, devices: sequencesOf(door.batches).size });
  };
  const addresses = { grpc: door.address, http1: door.address, http2: door.address, ca };
  const trial = planOf(addresses, { way, ...cell }, { isNull: true, warmUpMs: 20, measureMs: 100, ...plan });
  return { door, heard, had, report: await runTrial(trial, say) };
}

interface Hold {
  /** Whether a request that comes now is held; those that came before are answered. */
  isHeld(heard: Heard): boolean;
  /** Until then. */
  readonly released: Promise<void>;
  onSaid(heard: Heard): void;
}

/** The first request that comes while it is measured is answered, those after it are not. */
function allButOne(): Hold["isHeld"] {
  let came = 0;
  return ({ kinds }) => kinds.includes("measuring") && ++came > 1;
}

/** Measured for 150 ms, by a door that lets requests wait. */
async function runHttp1({ isHeld, released, onSaid }: Hold) {
  const heard = new Heard();
  const door = await startHttp1({ held: () => (isHeld(heard) ? released : undefined) });
  const plan = planOf({ http1: door.address }, { way: "http1" }, { isNull: true, warmUpMs: 250, measureMs: 150 });
  const report = await runTrial(plan, (message) => {
    heard.say(message);
    onSaid(heard);
  });
  return { door, heard, report };
}

/** Sequences of each device, in the order in which they came. */
function sequencesOf(batches: readonly DecodedBatch[]): Map<string, number[]> {
  const sequences = new Map<string, number[]>();
  for (const { device = "", sequence } of batches) {
    sequences.set(device, [...(sequences.get(device) ?? []), sequence]);
  }
  return sequences;
}

/** Each device's batches came one after the other, each once. */
function expectFreshSequences(batches: readonly DecodedBatch[]): void {
  for (const sequences of sequencesOf(batches).values()) expect(sequences).toEqual(sequences.map((_, i) => i + 1));
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
    expectFreshSequences(door.batches);
    expect(sequencesOf(door.batches).size).toBe(4);
    for (const { sequence, samples } of door.batches) expect(samples).toHaveLength(sequence === 1 ? 10 : 20);
    expect(report.samples).toBeGreaterThan(0);
    expect(report.samples).toBeLessThanOrEqual(20 * door.batches.length);
    expect(report.seconds).toBeGreaterThan(0.09);
    expect(report.cpuSeconds).toBeGreaterThan(0);
    expect(report.ackMs.p50).toBeGreaterThan(0);
    expect(heard.kinds).toEqual(["measuring", "measured"]);
  });

  it.each(named)("$way $encoding sends as many as the schedule says, open loop", async ({ way, encoding }) => {
    const openLoop = { arrival: "constant", samplesPerSecond: 2_000, leadInMs: 50 } as const;
    const plan = { openLoop, measureMs: 500 };
    const { door, had, report } = await run({ way, cell: { encoding, batchSamples: 20 }, plan });
    expectFreshSequences(door.batches);
    // 100 messages per second for 0.5 s; timers are not exact where others want the processor too.
    const batches = (had.get("measured")?.batches ?? 0) - (had.get("measuring")?.batches ?? 0);
    expect(batches).toBeGreaterThanOrEqual(5);
    expect(batches).toBeLessThanOrEqual(75);
    expect(report.generatorLateMs).toBeGreaterThan(0);
  });

  it.each(named)("$way $encoding has told the server all devices and metrics before it warms up", async (each) => {
    const cell = { encoding: each.encoding, batchSamples: 1, devices: 30 };
    const { door, had } = await run({ way: each.way, cell, plan: { warmUpMs: 0, measureMs: 20 } });
    expect(had.get("measuring")?.devices).toBe(30);
    const first = door.batches.filter(({ sequence }) => sequence === 1);
    expect(door.batches.slice(0, 30)).toEqual(first);
    for (const { samples } of first) expect(new Set(samples.map(({ metric }) => metric)).size).toBe(10);
  });

  it("warms up in a closed loop, and then goes for a second as the schedule says before an open loop is measured", async () => {
    const openLoop = { arrival: "constant", samplesPerSecond: 2_000, leadInMs: 1_000 } as const;
    const cell = { encoding: "json-rows", batchSamples: 20 } as const;
    const { heard } = await run({ way: "http2", cell, plan: { openLoop, warmUpMs: 400, measureMs: 300 } });
    const progress = heard.messages.filter((message) => message.kind === "progress");
    const [first, last] = [progress[0], progress.at(-1)];
    // Much more than the schedule has in so long: 40 messages of 20 samples.
    expect(first.samplesSettled).toBeGreaterThan(2_000);
    // It counts from the schedule's start on.
    expect(first.seconds).toBeLessThan(0.4);
    expect(last?.seconds).toBeGreaterThan(1);
    const before = heard.messages.slice(
      0,
      heard.messages.findIndex(({ kind }) => kind === "measuring"),
    );
    const leadIn = before.filter((message) => message.kind === "progress");
    expect(leadIn.at(-1)?.seconds).toBeGreaterThan(0.7);
    const samples = (leadIn.at(-1)?.samplesSettled ?? 0) - first.samplesSettled;
    const seconds = (leadIn.at(-1)?.seconds ?? 0) - first.seconds;
    expect(samples / seconds / 2_000).toBeCloseTo(1, 0);
  });

  it("has the step of its schedule in the middle of what is measured", async () => {
    const openLoop = { arrival: "step", samplesPerSecond: 8_000, leadInMs: 50 } as const;
    const cell = { encoding: "json-rows", batchSamples: 20 } as const;
    const { report } = await run({ way: "http2", cell, plan: { openLoop, measureMs: 600 } });
    // 4,000 samples per second for 0.3 s, and then 8,000: with the step at either end they were 2,400 or 4,800.
    expect(report.samples).toBeGreaterThan(3_000);
    expect(report.samples).toBeLessThan(4_200);
  });

  it.each(["http1", "http2"] as const)("%s compresses its bodies", async (way) => {
    const { door } = await run({ way, cell: { encoding: "json-rows", gzip: true } });
    expectFreshSequences(door.batches);
    expect(door.batches.length).toBeGreaterThan(0);
  });

  it.each(["grpc-named-unary", "grpc-named-stream"] as const)("%s compresses its messages", async (way) => {
    const { door } = await run({ way, cell: { gzip: true } });
    expectFreshSequences(door.batches);
    expect(door.batches.length).toBeGreaterThan(0);
  });

  it.each(["http1", "http2", "grpc-named-unary", "grpc-named-stream"] as const)("%s goes over TLS", async (way) => {
    const tls = await certificate();
    const { door } = await run({ way, cell: { tls: true }, door: { tls }, ca: tls.ca });
    expect(door.batches.length).toBeGreaterThan(0);
    const openLoop = { arrival: "poisson", samplesPerSecond: 20_000, leadInMs: 50 } as const;
    const open = await run({ way, cell: { tls: true }, plan: { openLoop }, door: { tls }, ca: tls.ca });
    expect(open.door.batches.length).toBeGreaterThan(0);
  });

  it("http1 has a connection for each slot, http2 as many as told", async () => {
    const one = await run({ way: "http1", cell: { encoding: "json-rows", slots: 8 } });
    // Of whoever sends the first batch of each device, and then those of autocannon.
    expect(one.door.connections).toBeGreaterThanOrEqual(8);
    expect(one.door.connections).toBeLessThanOrEqual(16);
    const two = await run({ way: "http2", cell: { encoding: "json-rows", slots: 8, connections: 3 } });
    expect(two.door.connections).toBe(3);
  });

  it("http1 waits at its end for what is in flight, and counts how long it has taken", async () => {
    const { promise: released, resolve: release } = Promise.withResolvers<void>();
    const onSaid = ({ kinds }: Heard) => kinds.includes("measured") && release();
    const { door, report } = await runHttp1({ isHeld: allButOne(), released, onSaid });
    expectFreshSequences(door.batches);
    expect(report.ackMs.max).toBeGreaterThan(90);
  });

  it("measures for longer than it was to when nothing is settled by then", async () => {
    const { promise: released, resolve: release } = Promise.withResolvers<void>();
    // Long before it is measured, so that nothing is on its way then.
    const isHeld = ({ messages }: Heard) => messages.length > 0;
    let saidWhileHeld = 0;
    const onSaid = ({ kinds, messages }: Heard) => {
      if (kinds.includes("measuring") && messages.at(-1)?.kind === "progress" && ++saidWhileHeld === 4) release();
    };
    const { heard, report } = await runHttp1({ isHeld, released, onSaid });
    expect(heard.kinds).toEqual(["measuring", "measured"]);
    expect(saidWhileHeld).toBeGreaterThanOrEqual(4);
    expect(report.samples).toBeGreaterThan(0);
    expect(report.seconds).toBeGreaterThan(0.25);
  });

  it("http1 fails when its connections are closed before they are answered", async () => {
    const { promise: released, reject: close } = Promise.withResolvers<void>();
    released.catch(() => {});
    const onSaid = ({ kinds }: Heard) => kinds.includes("measured") && close(new Error("closed"));
    await expect(runHttp1({ isHeld: allButOne(), released, onSaid })).rejects.toMatchObject({
      reason: "HTTP_ERROR",
      message: "the server has closed 4 connections before it answered",
    });
  });

  it.each([
    ["http1", undefined],
    ["http1", { arrival: "constant", samplesPerSecond: 50_000, leadInMs: 50 }],
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
