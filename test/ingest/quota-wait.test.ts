import { fromBinary } from "@bufbuild/protobuf";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { HeldPushes } from "../../ingest/held-pushes.ts";
import type { InletCall } from "../../ingest/inlet-call.ts";
import { anyone } from "../../lib/access/principal.ts";
import { TelemetryError } from "../../lib/base/errors.ts";
import { pushHeldBytesMax, pushHeldMsMax, slowDownAfterMs, slowDownAgainMs } from "../../lib/base/limits.ts";
import { neverAborted } from "../../lib/base/wait.ts";
import { SlowDownCause, StreamBatchesResponseSchema } from "../../proto/gen/telemetry/v1/ingest_service_pb.js";
import { asBatches, asRegistration, batch, registration, streamBytes } from "../support/batches.ts";
import { HeldSink, turn, watch } from "../support/held-sink.ts";
import { failureOf } from "../support/rpc.ts";

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
});
afterEach(() => {
  vi.useRealTimers();
});

const delay = { delayMs: 5_000, detail: "the device is over its rate" };
const register = streamBytes(asRegistration(registration("press")));
const batches = streamBytes(asBatches(batch(1, [1])));

/** Reads the `slow_down`s that a call is told. */
function listen(call: InletCall): string[] {
  const told: string[] = [];
  void (async () => {
    for await (const bytes of call.answers()) {
      const { message } = fromBinary(StreamBatchesResponseSchema, bytes);
      if (message.case === "slowDown") told.push(`${SlowDownCause[message.value.cause]}: ${message.value.detail}`);
    }
  })();
  return told;
}

async function pass(ms: number): Promise<void> {
  await turn();
  await vi.advanceTimersByTimeAsync(ms);
  await turn();
}

/** A call whose device is over its rate. */
async function delayed(sink: HeldSink, method: "stream" | "upload" = "stream"): Promise<InletCall> {
  const call = sink.inlet.open(method, anyone);
  await call.send(batches);
  await turn();
  sink.slabs.splice(0);
  sink.inlet.onSettled([{ call: call.id, bytes: batches.length, answers: [], end: undefined, delay }], batches.length);
  return call;
}

describe("a call with a device over its rate", () => {
  it("is not read until it is within, and is told why, while other calls go on", async () => {
    const sink = new HeldSink();
    const call = await delayed(sink);
    const told = listen(call);
    const sent = watch(call.send(batches));
    const other = sink.inlet.open("stream", anyone);
    await pass(slowDownAfterMs - 1);
    expect(told).toEqual([]);
    expect(await other.send(batches)).toBe(true);
    await pass(1);
    expect(told).toEqual([`QUOTA: ${delay.detail}`]);
    await pass(slowDownAgainMs);
    expect(told).toHaveLength(2);
    await pass(delay.delayMs - slowDownAfterMs - slowDownAgainMs - 1);
    expect(sent.done).toBe(false);
    expect(sink.events).not.toContain(`${call.id} message`);
    await pass(1);
    expect(sent).toEqual({ done: true, result: true });
    expect(sink.events).toContain(`${call.id} message`);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("is not read when it uploads, and is told nothing: its answer has no place for it", async () => {
    const sink = new HeldSink();
    const call = await delayed(sink, "upload");
    const told = listen(call);
    const sent = watch(call.send(batches));
    await pass(delay.delayMs - 1);
    expect([told, sent.done]).toEqual([[], false]);
    await pass(1);
    expect(sent.result).toBe(true);
  });

  it("waits for the longest of what it is told, also when that comes while it waits", async () => {
    const sink = new HeldSink();
    const call = await delayed(sink);
    const sent = watch(call.send(batches));
    await pass(1_000);
    const again = (delayMs: number) =>
      sink.inlet.onSettled([{ call: call.id, bytes: 0, answers: [], end: undefined, delay: { ...delay, delayMs } }], 0);
    again(10);
    again(9_000);
    await pass(8_999);
    expect(sent.done).toBe(false);
    await pass(1);
    expect(sent.result).toBe(true);
  });

  it("holds nothing of the budget of all calls meanwhile", async () => {
    const sink = new HeldSink();
    const call = await delayed(sink);
    void call.send(batches);
    await turn();
    expect([sink.inlet.bytesInFlight, call.bytesInFlight]).toEqual([0, 0]);
  });

  it.each(["cancel", "drain"] as const)("does not wait on when it ends by %s", async (end) => {
    const sink = new HeldSink();
    const call = await delayed(sink);
    const sent = watch(call.send(batches));
    await turn();
    if (end === "cancel") call.cancel();
    else sink.inlet.drain();
    await turn();
    expect(sent).toEqual({ done: true, result: false });
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe("a call that registers devices", () => {
  it("is read on when that is settled: it may be told to wait", async () => {
    const sink = new HeldSink();
    const call = sink.inlet.open("stream", anyone);
    expect(await call.send(register)).toBe(true);
    const sent = watch(call.send(batches));
    await turn();
    expect(sent.done).toBe(false);
    sink.slabs.splice(0);
    sink.inlet.onSettled(
      [{ call: call.id, bytes: register.length, answers: [], end: undefined, delay }],
      register.length,
    );
    await pass(delay.delayMs - 1);
    expect(sent.done).toBe(false);
    await pass(1);
    expect(sent.result).toBe(true);
  });

  it("may register them together", async () => {
    const sink = new HeldSink();
    const call = sink.inlet.open("stream", anyone);
    for (let i = 0; i < 1_000; i += 1) expect(await call.send(register)).toBe(true);
    const sent = watch(call.send(batches));
    await turn();
    expect(sent.done).toBe(false);
    while (sink.slabs.length > 0) sink.settleFirst();
    await turn();
    expect(sent.result).toBe(true);
  });

  it("is read on at once when no device has a rate", async () => {
    const call = new HeldSink({ hasRates: false }).inlet.open("stream", anyone);
    for (const message of [register, batches]) expect(await call.send(message)).toBe(true);
  });

  it("does not have those wait that are registered already, when it registers more", async () => {
    const sink = new HeldSink();
    const call = sink.inlet.open("stream", anyone);
    expect(await call.send(register)).toBe(true);
    await turn();
    sink.settleFirst();
    for (const message of [batches, register, batches]) expect(await call.send(message)).toBe(true);
  });
});

describe("pushes of devices over their rate", () => {
  const overRate = (delayMs: number) =>
    new TelemetryError("RESOURCE_EXHAUSTED", "DEVICE_RATE", "over", { retryAfterMs: delayMs });

  it("wait at the server when it is not long, and longer at their clients", async () => {
    const held = new HeldPushes();
    const waiting = watch(held.wait(overRate(pushHeldMsMax), 100, neverAborted, neverAborted).then(() => true));
    expect(held.bytes).toBe(100);
    await pass(pushHeldMsMax - 1);
    expect(waiting.done).toBe(false);
    await pass(1);
    expect(waiting.done).toBe(true);
    expect(held.bytes).toBe(0);
    const error = overRate(pushHeldMsMax + 1);
    expect(await failureOf(held.wait(error, 100, neverAborted, neverAborted))).toBe(error);
  });

  it("wait at their clients when too many bytes wait at the server", async () => {
    const held = new HeldPushes();
    void held.wait(overRate(1_000), pushHeldBytesMax, neverAborted, neverAborted);
    const error = overRate(1_000);
    expect(await failureOf(held.wait(error, 1, neverAborted, neverAborted))).toBe(error);
    await pass(1_000);
    const after = watch(held.wait(overRate(1_000), 1, neverAborted, neverAborted).then(() => true));
    await pass(1_000);
    expect(after.done).toBe(true);
  });

  it("do not wait on when their client goes, or the server drains", async () => {
    const held = new HeldPushes();
    const [gone, draining] = [new AbortController(), new AbortController()];
    const error = overRate(1_000);
    const failure = failureOf(held.wait(error, 1, gone.signal, draining.signal));
    gone.abort();
    expect(await failure).toBe(error);
    const drained = held.wait(error, 1, neverAborted, draining.signal);
    draining.abort();
    await drained;
    expect(held.bytes).toBe(0);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("are none of those that failed for another reason", async () => {
    const error = new TelemetryError("RESOURCE_EXHAUSTED", "DISK_FULL", "full", { retryAfterMs: 1 });
    expect(await failureOf(new HeldPushes().wait(error, 1, neverAborted, neverAborted))).toBe(error);
  });
});
