import { fromBinary } from "@bufbuild/protobuf";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { InletCall } from "../../ingest/inlet-call.ts";
import { anyone } from "../../lib/access/principal.ts";
import { answersWaitingMax, callBytesInFlightMax, slowDownAfterMs, slowDownAgainMs } from "../../lib/base/limits.ts";
import { SlowDownCause, StreamBatchesResponseSchema } from "../../proto/gen/telemetry/v1/ingest_service_pb.js";
import { fill, HeldSink, turn, watch } from "../support/held-sink.ts";

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
});
afterEach(() => {
  vi.useRealTimers();
});

/** Reads what a call is told; causes of `slow_down`, or what else it was. */
function listen(call: InletCall): (string | undefined)[] {
  const told: (string | undefined)[] = [];
  void (async () => {
    for await (const bytes of call.answers()) {
      const { message } = fromBinary(StreamBatchesResponseSchema, bytes);
      told.push(message.case === "slowDown" ? SlowDownCause[message.value.cause] : message.case);
    }
  })();
  return told;
}

async function pass(ms: number): Promise<void> {
  await turn();
  await vi.advanceTimersByTimeAsync(ms);
  await turn();
}

describe("a stream that is not read", () => {
  it("is told that the disk is behind while its own bytes wait, again and again, until they are settled", async () => {
    const sink = new HeldSink();
    const call = sink.inlet.open("stream", anyone);
    const told = listen(call);
    const sent = watch(call.send(new Uint8Array(callBytesInFlightMax)));
    await pass(slowDownAfterMs - 1);
    expect(told).toEqual([]);
    await pass(1);
    expect(told).toEqual(["DISK"]);
    await pass(2 * slowDownAgainMs);
    expect(told).toEqual(["DISK", "DISK", "DISK"]);
    sink.settleFirst();
    await pass(10 * slowDownAgainMs);
    expect(sent).toEqual({ done: true, result: true });
    expect(told).toHaveLength(3);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("is told that memory is full while all streams together wait", async () => {
    const sink = new HeldSink();
    const busy = await fill(sink.inlet);
    const call = sink.inlet.open("stream", anyone);
    const [told, others] = [listen(call), busy.map(listen)];
    const sent = watch(call.send(new Uint8Array(1)));
    await pass(slowDownAfterMs);
    expect(told).toEqual(["MEMORY"]);
    sink.settleFirst();
    await pass(slowDownAgainMs);
    expect(sent).toEqual({ done: true, result: true });
    expect(told).toEqual(["MEMORY"]);
    // Those that had their place are told of their own bytes, if of anything.
    expect(others.flat()).not.toContain("MEMORY");
  });

  it("is told nothing when it has waited a moment only", async () => {
    const sink = new HeldSink();
    const call = sink.inlet.open("stream", anyone);
    const told = listen(call);
    void call.send(new Uint8Array(callBytesInFlightMax));
    await pass(slowDownAfterMs - 1);
    sink.settleFirst();
    await pass(10 * slowDownAgainMs);
    expect(told).toEqual([]);
  });

  it("is not told more often than its client reads", async () => {
    const sink = new HeldSink();
    const call = sink.inlet.open("stream", anyone);
    void call.send(new Uint8Array(callBytesInFlightMax));
    await pass(slowDownAfterMs + 3 * answersWaitingMax * slowDownAgainMs);
    const told = listen(call);
    await turn();
    expect(told).toHaveLength(answersWaitingMax);
  });

  it("leaves no timer behind when its client goes", async () => {
    const sink = new HeldSink();
    const call = sink.inlet.open("stream", anyone);
    const sent = watch(call.send(new Uint8Array(callBytesInFlightMax)));
    await pass(slowDownAfterMs);
    call.cancel();
    await turn();
    expect(sent).toEqual({ done: true, result: false });
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe("who is not told to slow down", () => {
  it("is a stream beside the one that waits", async () => {
    const sink = new HeldSink();
    const [slow, quick] = [sink.inlet.open("stream", anyone), sink.inlet.open("stream", anyone)];
    const [slowTold, quickTold] = [listen(slow), listen(quick)];
    void slow.send(new Uint8Array(callBytesInFlightMax));
    void quick.send(new Uint8Array(1));
    await pass(slowDownAfterMs + slowDownAgainMs);
    expect(slowTold).toEqual(["DISK", "DISK"]);
    expect(quickTold).toEqual([]);
  });

  for (const method of ["push", "upload"] as const) {
    it(`is a client that ${method === "push" ? "pushes" : "uploads"}: its answer has no place for it`, async () => {
      const sink = new HeldSink();
      const full = sink.inlet.open(method, anyone);
      const told = listen(full);
      void full.send(new Uint8Array(callBytesInFlightMax));
      await fill(sink.inlet);
      const waiting = sink.inlet.open(method, anyone);
      const waitingTold = listen(waiting);
      void waiting.send(new Uint8Array(1));
      await pass(slowDownAfterMs + 10 * slowDownAgainMs);
      expect([...told, ...waitingTold]).toEqual([]);
    });
  }
});
