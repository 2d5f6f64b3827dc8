import { describe, expect, it } from "vitest";
import { anyone, type Principal } from "../../lib/access/principal.ts";
import {
  answersWaitingMax,
  callBytesFairMin,
  callBytesInFlightMax,
  ingestBytesInFlightMax,
} from "../../lib/base/limits.ts";
import { batch, pushBytes, registration } from "../support/batches.ts";
import { fill, HeldSink, mib, turn, watch } from "../support/held-sink.ts";
import { IngestHarness } from "../support/ingest.ts";
import { collect, failureOf } from "../support/rpc.ts";

describe("the inlet", () => {
  it("gathers what comes in one turn of the event loop into one slab", async () => {
    const sink = new HeldSink();
    const [a, b] = [sink.inlet.open("stream", anyone), sink.inlet.open("push", anyone)];
    void a.send(Uint8Array.of(1, 2));
    void b.send(Uint8Array.of(3)).then(() => b.halfClose());
    await turn();
    expect(sink.slabs).toHaveLength(1);
    expect(sink.events).toEqual(["1 open stream", "2 open push", "1 message", "2 message", "2 half-close"]);
    expect([...(sink.slabs[0]?.bytes ?? [])]).toEqual([1, 2, 3]);
  });

  it("lets a call send on until its bytes in flight are used up, and again when they are settled", async () => {
    const sink = new HeldSink();
    const call = sink.inlet.open("stream", anyone);
    expect(await call.send(new Uint8Array(callBytesInFlightMax - 1))).toBe(true);
    const next = watch(call.send(new Uint8Array(1)));
    await turn();
    expect(next.done).toBe(false);
    sink.settleFirst();
    await turn();
    expect(next).toEqual({ done: true, result: true });
  });

  it("gives a call a share while others send, and all of the way when it is alone", async () => {
    let nowMs = 0;
    const sink = new HeldSink({ clock: { nowMs: () => nowMs, elapsedMs: () => nowMs } });
    const fairBytes = 100_000;
    const [loud, other] = [sink.inlet.open("stream", anyone), sink.inlet.open("stream", anyone)];
    loud.sendNow(new Uint8Array(1));
    other.sendNow(new Uint8Array(1));
    await turn();
    sink.settleFirst([], fairBytes);
    expect(loud.sendNow(new Uint8Array(fairBytes))).toBe(true);
    expect(loud.sendNow(new Uint8Array(1))).toBe(false);
    expect(other.sendNow(new Uint8Array(1))).toBe(true);
    await turn();
    sink.settleFirst([], fairBytes);
    nowMs += 1_001;
    // The one that has sent last is not alone yet: this one is another.
    expect(loud.sendNow(new Uint8Array(fairBytes))).toBe(true);
    expect(loud.sendNow(new Uint8Array(1))).toBe(false);
    nowMs += 1_001;
    expect(loud.sendNow(new Uint8Array(callBytesInFlightMax - fairBytes))).toBe(true);
    expect(loud.sendNow(new Uint8Array(1))).toBe(false);
  });

  it("never gives a call less than what is under way, and takes a message of any size of one that has nothing there", async () => {
    const sink = new HeldSink();
    const [one, other] = [sink.inlet.open("stream", anyone), sink.inlet.open("stream", anyone)];
    one.sendNow(new Uint8Array(1));
    other.sendNow(new Uint8Array(1));
    await turn();
    sink.settleFirst([], 1);
    expect(one.sendNow(new Uint8Array(callBytesFairMin - 1))).toBe(true);
    expect(one.sendNow(new Uint8Array(1))).toBe(true);
    expect(one.sendNow(new Uint8Array(1))).toBe(false);
    expect(other.sendNow(new Uint8Array(4 * mib))).toBe(true);
  });

  it("takes at once what need not wait, and nothing else", async () => {
    const sink = new HeldSink();
    const call = sink.inlet.open("stream", anyone);
    expect(call.sendNow(new Uint8Array(callBytesInFlightMax))).toBe(true);
    expect(call.sendNow(new Uint8Array(1))).toBe(false);
    await turn();
    sink.settleFirst();
    expect(call.sendNow(new Uint8Array(1))).toBe(true);
    await fill(sink.inlet);
    expect(sink.inlet.open("stream", anyone).sendNow(new Uint8Array(1))).toBe(false);
    sink.settleFirst();
    sink.settleFirst();
    expect(call.sendNow(new Uint8Array(1))).toBe(true);
    call.halfClose();
    expect(call.sendNow(new Uint8Array(1))).toBe(false);
  });

  it("stops reading a call whose client does not read its answers", async () => {
    const sink = new HeldSink();
    const call = sink.inlet.open("stream", anyone);
    const answer = Uint8Array.of(7);
    await call.send(new Uint8Array(1));
    await turn();
    sink.settleFirst(Array.from({ length: answersWaitingMax }, () => answer));
    const next = watch(call.send(new Uint8Array(1)));
    await turn();
    expect(next.done).toBe(false);
    expect(await call.answers().next()).toEqual({ done: false, value: answer });
    await turn();
    expect(next).toEqual({ done: true, result: true });
  });

  it("holds no more than its budget and one message, however many calls send", async () => {
    const sink = new HeldSink();
    const sent = Array.from({ length: 40 }, () =>
      watch(sink.inlet.open("stream", anyone).send(new Uint8Array(3 * mib))),
    );
    await turn();
    let most = 0;
    while (sent.some(({ done }) => !done)) {
      most = Math.max(most, sink.inlet.bytesInFlight);
      sink.settleFirst();
      await turn();
    }
    expect(most).toBeGreaterThan(ingestBytesInFlightMax / 2);
    expect(most).toBeLessThanOrEqual(ingestBytesInFlightMax + 3 * mib);
    while (sink.slabs.length > 0) sink.settleFirst();
    expect(sink.inlet.bytesInFlight).toBe(0);
  });

  it("serves the messages that wait in turn, so that a loud call does not starve a quiet one", async () => {
    const sink = new HeldSink();
    await fill(sink.inlet);
    const order: string[] = [];
    const send = (name: string, bytes: number) =>
      void sink.inlet
        .open("stream", anyone)
        .send(new Uint8Array(bytes))
        .then(() => order.push(name));
    send("large", 3 * mib);
    send("quiet", 1);
    send("last", 1);
    await turn();
    expect(order).toEqual([]);
    while (order.length < 3) {
      sink.settleFirst();
      await turn();
    }
    expect(order).toEqual(["large", "quiet", "last"]);
  });

  it("gets the place back of a message whose client went while it waited", async () => {
    const sink = new HeldSink();
    const calls = await fill(sink.inlet);
    const gone = sink.inlet.open("stream", anyone);
    const waiting = watch(gone.send(new Uint8Array(3 * mib)));
    const next = watch(sink.inlet.open("stream", anyone).send(new Uint8Array(1)));
    gone.cancel();
    await turn();
    while (!next.done) {
      sink.settleFirst();
      await turn();
    }
    expect(waiting).toEqual({ done: true, result: false });
    while (sink.slabs.length > 0) {
      sink.settleFirst();
      await turn();
    }
    expect(sink.inlet.bytesInFlight).toBe(0);
    expect(sink.inlet.openCalls).toBe(calls.length + 1);
  });

  it("gets the bytes back of a call that was cancelled after it sent", async () => {
    const sink = new HeldSink();
    const call = sink.inlet.open("upload", anyone);
    await call.send(new Uint8Array(1000));
    call.cancel();
    await turn();
    expect(sink.events).toEqual(["1 open upload", "1 message", "1 cancel"]);
    sink.settleFirst();
    expect(sink.inlet.bytesInFlight).toBe(0);
    expect(sink.inlet.openCalls).toBe(0);
    expect(await collect(call.answers())).toEqual([]);
  });
});

it("the inlet has no more bytes in flight for what a call may write", async () => {
  const sink = new HeldSink();
  const bounded: Principal = { ...anyone, kind: "token", devices: ["plant-*", "truck-7"] };
  for (let i = 0; i < 3; i += 1) {
    const call = sink.inlet.open("push", bounded);
    await call.send(new Uint8Array(10));
    await turn();
    expect(sink.inlet.bytesInFlight).toBeGreaterThan(10);
    sink.settleFirst();
    expect(sink.inlet.bytesInFlight).toBe(0);
  }
});

describe("an inlet that drains", () => {
  it("takes no calls and no messages", async () => {
    const sink = new HeldSink();
    const call = sink.inlet.open("stream", anyone);
    sink.inlet.drain();
    expect(() => sink.inlet.open("push", anyone)).toThrow("the server is shutting down");
    expect(await call.send(new Uint8Array(1))).toBe(false);
    await turn();
    expect(sink.events).toEqual(["1 open stream", "1 half-close"]);
    expect(sink.inlet.bytesInFlight).toBe(0);
  });

  it("ends streams when they are settled, and uploads with UNAVAILABLE", async () => {
    const sink = new HeldSink();
    const [stream, upload] = [sink.inlet.open("stream", anyone), sink.inlet.open("upload", anyone)];
    await stream.send(new Uint8Array(1));
    sink.inlet.drain();
    await turn();
    expect(await failureOf(upload.answers())).toMatchObject({ status: "UNAVAILABLE", reason: "DRAINING" });
    const answer = Uint8Array.of(1);
    sink.inlet.onSettled([{ call: stream.id, bytes: 1, answers: [answer], end: "ok" }], 1);
    expect(await collect(stream.answers())).toEqual([answer]);
    expect(stream.drained).toBe(true);
    expect(sink.inlet.openCalls).toBe(0);
  });

  it("does not ack a push that waits for its place", async () => {
    const sink = new HeldSink();
    await fill(sink.inlet);
    const push = sink.inlet.open("push", anyone);
    const failure = failureOf(collect(push.answers()));
    const sent = watch(push.send(pushBytes(registration("press"), { batch: batch(1, [1]) })));
    await turn();
    sink.inlet.drain();
    await turn();
    const ingest = new IngestHarness();
    for (let slab = sink.slabs.shift(); slab !== undefined; slab = sink.slabs.shift()) {
      sink.inlet.onSettled(ingest.submit(slab).settlements, slab.bytes.length);
      await turn();
    }
    expect(sent).toEqual({ done: true, result: false });
    expect(ingest.device("press")).toBeUndefined();
    expect(await failure).toMatchObject({ status: "UNAVAILABLE" });
  });
});
