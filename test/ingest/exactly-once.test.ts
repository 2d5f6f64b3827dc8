import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { defaultTiers, windowStart } from "../../lib/aggregate/tiers.ts";
import { flushIntervalMs } from "../../lib/base/limits.ts";
import { batch, dayMs } from "../support/batches.ts";
import { diskFull, FailingStore } from "../support/failing-store.ts";
import type { HarnessCall } from "../support/harness-call.ts";
import { IngestHarness } from "../support/ingest.ts";

const devices = ["press", "lathe"];
const batches = 8;
const samples = 3;
/** The batches of one device reach over several windows. */
const stepMs = 4_000;

/** Every value is another whole number, so that sums are exact and a swapped sample shows. */
function valuesOf(device: number, sequence: number): number[] {
  return Array.from({ length: samples }, (_, i) => device * 1_000_000 + sequence * 1_000 + 2 ** i);
}

function batchOf(device: number, sequence: number) {
  return batch(sequence, valuesOf(device, sequence), { timeMs: dayMs + sequence * 7_000, stepMs });
}

/** What the windows of a tier hold when the first batches of each device were counted once. */
function windowsAfter(marks: readonly number[], widthMs: number) {
  const windows = new Map<string, { device: string; startMs: number; count: number; sum: number }>();
  for (const [device, mark] of marks.entries()) {
    for (let sequence = 1; sequence <= mark; sequence += 1) {
      for (const [i, value] of valuesOf(device, sequence).entries()) {
        const startMs = windowStart(dayMs + sequence * 7_000 + i * stepMs, widthMs);
        const key = `${device}/${startMs}`;
        const window = windows.get(key) ?? { device: devices[device] ?? "", startMs, count: 0, sum: 0 };
        windows.set(key, { ...window, count: window.count + 1, sum: window.sum + value });
      }
    }
  }
  return windows;
}

/** What can happen to the messages of some devices on the way into the store. */
type Step =
  | { kind: "connect"; device: number }
  | { kind: "send"; call: number; from: number; count: number }
  | { kind: "push"; device: number; sequence: number }
  | { kind: "upload"; device: number; from: number; count: number; closes: boolean }
  | { kind: "cancel" | "halfClose"; call: number }
  | { kind: "cut" | "flush" | "step" | "look" | "fail" | "crash" };

const device = fc.nat({ max: devices.length - 1 });
const sequence = fc.integer({ min: 1, max: batches });
const count = fc.integer({ min: 1, max: 4 });
const call = fc.nat({ max: 5 });
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("connect" as const), device }) },
  { weight: 10, arbitrary: fc.record({ kind: fc.constant("send" as const), call, from: sequence, count }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("push" as const), device, sequence }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant("upload" as const), device, from: sequence, count, closes: fc.boolean() }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom("cancel" as const, "halfClose" as const), call }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("cut" as const) }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("flush" as const) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("step" as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("look" as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom("fail" as const, "crash" as const) }) },
);

/** Runs the steps, holds the acks against the sessions, and now and then the tables against the model. */
class Run {
  readonly #store = new FailingStore(defaultTiers);
  #ingest = new IngestHarness(this.#store);
  #calls: { call: HarnessCall; device: number }[] = [];

  do(step: Step): void {
    if (step.kind === "connect") this.#connect(step.device);
    else if (step.kind === "send") {
      const target = this.#calls[step.call];
      target?.call.batches(...this.#batches(target.device, step.from, step.count));
    } else if (step.kind === "push") {
      const push = this.#open("push", step.device);
      push.push(devices[step.device] ?? "", { batch: batchOf(step.device, step.sequence) });
    } else if (step.kind === "upload") {
      const upload = this.#open("upload", step.device);
      upload.register(devices[step.device] ?? "");
      upload.batches(...this.#batches(step.device, step.from, step.count));
      if (step.closes) upload.halfClose();
    } else if (step.kind === "cancel") this.#calls[step.call]?.call.cancel();
    else if (step.kind === "halfClose") this.#calls[step.call]?.call.halfClose();
    else if (step.kind === "cut") this.#ingest.cut();
    else if (step.kind === "step") this.#step();
    else if (step.kind === "look") this.#look();
    else if (step.kind === "fail") this.#fail();
    else if (step.kind === "crash") this.#crash();
    else this.#flush();
  }

  /** Every device registers and sends all that it has: each batch is settled then. */
  finish(): void {
    this.#crash();
    for (const device of devices.keys()) {
      this.#connect(device);
      this.#calls.at(-1)?.call.batches(...this.#batches(device, 1, batches));
    }
    this.#flush();
    this.#look();
    expect(this.#marks()).toEqual(devices.map(() => batches));
  }

  #connect(device: number): void {
    this.#open("stream", device).register(devices[device] ?? "");
  }

  #open(method: "push" | "upload" | "stream", device: number): HarnessCall {
    const call = this.#ingest.open(method);
    this.#calls.push({ call, device });
    return call;
  }

  #batches(device: number, from: number, count: number) {
    return Array.from({ length: Math.min(count, batches - from + 1) }, (_, i) => batchOf(device, from + i));
  }

  /** What is under way is lost, and its calls with it; what was acked is as it was. */
  #crash(): void {
    const marks = this.#marks();
    this.#ingest = new IngestHarness(this.#store);
    this.#calls = [];
    expect(this.#marks()).toEqual(marks);
  }

  /** Some of the journal comes into the tables. */
  #step(): void {
    this.#ingest.elapsedMs += flushIntervalMs;
    this.#ingest.flusher.step();
  }

  #fail(): void {
    this.#store.failure = diskFull();
    this.#flush();
    this.#store.failure = undefined;
  }

  #flush(): void {
    this.#ingest.flush();
    const marks = this.#marks();
    for (const { call, device } of this.#calls) {
      const told = call.take();
      const acks = [...told.registered, ...told.acks, ...told.uploaded.flatMap(({ devices }) => devices)];
      for (const pushed of told.pushed) if (pushed.registered !== undefined) acks.push(pushed.registered);
      for (const ack of acks) expect(Number(ack.ackedSequence)).toBeLessThanOrEqual(marks[device] ?? 0);
    }
  }

  /** The tables show what was acked, once. */
  #look(): void {
    const marks = this.#marks();
    for (const { widthMs } of defaultTiers) {
      const found = this.#ingest.windows(widthMs).map(({ metric: _, ...window }) => window);
      const expected = [...windowsAfter(marks, widthMs).values()];
      expect(found).toHaveLength(expected.length);
      expect(found).toEqual(expect.arrayContaining(expected));
    }
    expect(devices.map((id) => this.#ingest.device(id)?.ackedSequence ?? 0)).toEqual(marks);
  }

  #marks(): number[] {
    return devices.map((id) => this.#ingest.sessions.find(id)?.session.ackedSequence ?? 0);
  }
}

describe("whatever happens to calls, groups, commits and the writer", () => {
  it("counts each sample of an acked batch once, and no other", () => {
    const property = fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const run = new Run();
      for (const each of steps) run.do(each);
      run.finish();
    });
    fc.assert(property, { numRuns: 150 });
  });
});
