import { describe, expect, it } from "vitest";
import type { Principal } from "../../lib/access/principal.ts";
import { defaultTiers } from "../../lib/aggregate/tiers.ts";
import { rateBurstMs, rateExcessMax } from "../../lib/base/limits.ts";
import { batch } from "../support/batches.ts";
import { diskFull, FailingStore } from "../support/failing-store.ts";
import { IngestHarness } from "../support/ingest.ts";

const perSecond = 100;
const burst = (perSecond * rateBurstMs) / 1_000;
const limited = (store = new FailingStore(defaultTiers)) =>
  new IngestHarness(store, { samplesPerSecondMax: perSecond });

/** A batch of so many samples. */
const many = (sequence: number, samples: number, handle = 1) =>
  batch(sequence, Array<number>(samples).fill(1), { handle });

describe("a device over its rate", () => {
  for (const method of ["stream", "upload"] as const) {
    it(`has its ${method} wait until it is within, with everything counted`, () => {
      const ingest = limited();
      const call = ingest.open(method);
      call.register("press");
      call.batches(many(1, burst));
      ingest.flush();
      expect(call.take().delays).toEqual([]);
      call.batches(many(2, 150));
      ingest.flush();
      const [delay] = call.take().delays;
      expect(delay).toMatchObject({ delayMs: 1_500 });
      expect(delay?.detail).toContain('device "press" is 150 samples over its rate, the limit is 100 samples/s');
      expect(ingest.total("press").count).toBe(burst + 150);
      expect(ingest.admission.counters).toMatchObject({ rateDelays: 1, samplesRefused: 0 });
    });
  }

  it("does not have other calls wait", () => {
    const ingest = limited();
    const [press, lathe] = [ingest.connect("press"), ingest.connect("lathe")];
    press.batches(many(1, 2 * burst));
    lathe.batches(many(1, burst));
    ingest.flush();
    expect(press.take().delays).toMatchObject([{ delayMs: rateBurstMs }]);
    expect(lathe.take()).toMatchObject({ delays: [], acks: [{ ackedSequence: 1n }] });
  });

  it("has the call of a gateway wait for the device that is furthest over", () => {
    const ingest = limited();
    const call = ingest.open();
    for (const [i, id] of ["press", "lathe", "saw"].entries()) call.register(id, { handle: i + 1 });
    call.batches(many(1, burst + 100), many(1, burst + 300, 2), many(1, burst + 200, 3));
    ingest.flush();
    const { delays } = call.take();
    expect(delays).toMatchObject([{ delayMs: 3_000 }]);
    expect(delays[0]?.detail).toContain('"lathe"');
    expect(ingest.admission.counters.rateDelays).toBe(1);
  });

  it("has a call wait on which it registers anew, so that a new call is no way around", () => {
    const ingest = limited();
    ingest.connect("press").batches(many(1, burst + 200));
    ingest.flush();
    for (const method of ["stream", "upload"] as const) {
      const call = ingest.open(method);
      call.register("press");
      ingest.flush();
      expect(call.take().delays).toMatchObject([{ delayMs: 2_000 }]);
    }
    ingest.elapsedMs += 2_000;
    expect(ingest.connect("press").take().delays).toEqual([]);
  });

  it("has no more of a batch counted against it than the samples that are there", () => {
    const ingest = limited();
    const call = ingest.connect("press");
    call.batches(many(1, burst), batch(2, Array<number>(5_000).fill(Number.NaN)));
    call.batches(many(2, 1_000));
    call.batches({ deviceHandle: 1, sequence: 3n, tables: [{ metricHandles: [9] }] });
    ingest.flush();
    const { delays, acks } = call.take();
    expect(delays).toEqual([]);
    expect(acks).toMatchObject([{ ackedSequence: 3n }]);
  });

  it("is not over it by batches that came again, nor by a group that could not be stored", () => {
    const store = new FailingStore(defaultTiers);
    const ingest = limited(store);
    ingest.connect("press").batches(many(1, burst));
    ingest.flush();
    const call = ingest.connect("press");
    for (let i = 0; i < 5; i += 1) call.batches(many(1, burst));
    ingest.flush();
    expect(call.take().delays).toEqual([]);
    store.failure = diskFull();
    for (let i = 0; i < 5; i += 1) {
      const failed = ingest.open();
      failed.register("press");
      failed.batches(many(2, 1_000));
      ingest.flush();
      expect(failed.take()).toMatchObject({ delays: [], end: { reason: "DISK_FULL" } });
    }
    store.failure = undefined;
    const again = ingest.connect("press");
    again.batches(many(2, 10));
    ingest.flush();
    expect(again.take().delays).toMatchObject([{ delayMs: 100 }]);
  });

  it("begins with nothing against it when the writer has started again", () => {
    const ingest = limited();
    ingest.connect("press").batches(many(1, 3 * burst));
    ingest.flush();
    const again = limited(ingest.store as FailingStore);
    expect(again.connect("press").take().delays).toEqual([]);
  });

  it("never waits when the rate is off", () => {
    const ingest = new IngestHarness(undefined, { samplesPerSecondMax: Number.POSITIVE_INFINITY });
    const call = ingest.connect("press");
    for (let sequence = 1; sequence <= 20; sequence += 1) call.batches(many(sequence, 100_000));
    ingest.flush();
    expect(call.take()).toMatchObject({ delays: [], end: undefined });
  });
});

describe("a push of a device over its rate", () => {
  it("that makes it so is answered at once, and the next one is not taken until it is within", () => {
    const ingest = limited();
    const push = (sequence: number) => {
      const call = ingest.open("push");
      call.push("press", { batch: many(sequence, burst + 250) });
      ingest.flush();
      return call.take();
    };
    expect(push(1)).toMatchObject({ end: "ok", delays: [], pushed: [{ registered: { ackedSequence: 1n } }] });
    const { end, pushed } = push(2);
    expect(pushed).toEqual([]);
    expect(end).toMatchObject({
      status: "RESOURCE_EXHAUSTED",
      reason: "DEVICE_RATE",
      retryAfterMs: 2_500,
      quota: "device:press",
    });
    for (const word of ["250 samples over", "100 samples/s", "--device-rate", "waits 3s", "send again then"]) {
      expect((end as { message: string }).message).toContain(word);
    }
    expect(ingest.device("press")).toMatchObject({ ackedSequence: 1, samplesRefused: 0 });
    ingest.elapsedMs += 2_500;
    expect(push(2)).toMatchObject({ end: "ok", pushed: [{ registered: { ackedSequence: 2n } }] });
    expect(ingest.total("press").count).toBe(2 * (burst + 250));
  });

  it("is answered when it brings no samples: a registration, a gap, a batch that came again", () => {
    const ingest = limited();
    ingest.connect("press").batches(many(1, 2 * burst));
    ingest.flush();
    const payloads = [
      undefined,
      { batch: many(1, 2 * burst) },
      { gap: { deviceHandle: 1, firstSequence: 2n, lastSequence: 3n } },
    ];
    for (const payload of payloads) {
      const call = ingest.open("push");
      call.push("press", payload);
      ingest.flush();
      expect(call.take().end).toBe("ok");
    }
  });

  it("is not taken however it was that the device came to be over: by a stream, say", () => {
    const ingest = limited();
    ingest.connect("press").batches(many(1, 2 * burst));
    ingest.flush();
    const call = ingest.open("push");
    call.push("press", { batch: many(2, 1) });
    ingest.flush();
    expect(call.take().end).toMatchObject({ reason: "DEVICE_RATE" });
  });
});

describe("a device that ends its calls before they are told to wait", () => {
  it("gets no further over its rate than calls that wait can be, and harms no other", () => {
    const ingest = limited();
    const witness = ingest.connect("witness");
    witness.take();
    let sequence = 1;
    let ended: unknown;
    for (let i = 0; i < 40 && ended === undefined; i += 1) {
      const call = ingest.open(i % 2 === 0 ? "stream" : "upload");
      call.register("press");
      call.batches(many(sequence, 100_000));
      ingest.flush();
      ended = call.take().end;
      if (ended === undefined) sequence += 1;
      call.cancel();
    }
    expect(ended).toMatchObject({ status: "RESOURCE_EXHAUSTED", reason: "DEVICE_RATE" });
    const { count } = ingest.total("press");
    expect(count).toBe((sequence - 1) * 100_000);
    expect(count).toBeLessThanOrEqual(burst + rateExcessMax + 100_000);
    expect(ingest.device("press")?.samplesRefused).toBe(0);
    witness.batches(batch(1, [1]));
    ingest.flush();
    expect(witness.take()).toMatchObject({ acks: [{ ackedSequence: 1n }], delays: [] });
  });

  it("is told what of the call was kept, and goes on from there when it comes again", () => {
    const ingest = limited();
    const call = ingest.connect("press");
    const batches = Math.floor((burst + rateExcessMax) / 100_000) + 2;
    for (let sequence = 1; sequence <= batches; sequence += 1) call.batches(many(sequence, 100_000));
    ingest.flush();
    const { end, acks } = call.take();
    expect(end).toMatchObject({ reason: "DEVICE_RATE" });
    const acked = Number(acks.at(-1)?.ackedSequence);
    expect(acked).toBe(batches - 1);
    ingest.elapsedMs += (end as { retryAfterMs: number }).retryAfterMs;
    const again = ingest.connect("press");
    expect(again.take()).toMatchObject({ registered: [{ ackedSequence: BigInt(acked) }], delays: [] });
    again.batches(many(batches, 100_000));
    ingest.flush();
    expect(again.take().acks).toMatchObject([{ ackedSequence: BigInt(batches) }]);
    expect(ingest.total("press").count).toBe(batches * 100_000);
  });
});

describe("a principal over its rate", () => {
  const gateway = (name: string): Principal => ({ name, kind: "token", scopes: ["ingest"], devices: ["*"] });
  const of = (store = new FailingStore(defaultTiers)) =>
    new IngestHarness(store, {
      samplesPerSecondMax: Number.POSITIVE_INFINITY,
      principalSamplesPerSecondMax: perSecond,
    });

  it("has the calls wait that it sends on, whatever the device, and no others", () => {
    const ingest = of();
    const [first, second, other] = [gateway("a"), gateway("a"), gateway("b")].map((who) => ingest.open("stream", who));
    const calls = [first, second, other];
    for (const [i, call] of calls.entries()) call.register(`press-${i}`);
    ingest.flush();
    for (const call of calls) call.take();
    first.batches(many(1, burst));
    ingest.flush();
    expect(first.take().delays).toEqual([]);
    second.batches(many(1, 150));
    other.batches(many(1, 150));
    ingest.flush();
    const [delay] = second.take().delays;
    expect(delay).toMatchObject({ delayMs: 1_500 });
    expect(delay?.detail).toContain('principal "token a" is 150 samples over its rate, the limit is 100 samples/s');
    expect(delay?.detail).toContain("--principal-rate");
    expect(other.take().delays).toEqual([]);
    expect(ingest.total("press-1").count).toBe(150);
  });

  it("has its pushes come again later", () => {
    const ingest = of();
    const push = (sequence: number, samples: number) => {
      const call = ingest.open("push", gateway("a"));
      call.push("press", { batch: many(sequence, samples) });
      ingest.flush();
      return call.take();
    };
    expect(push(1, burst + 150).end).toBe("ok");
    expect(push(2, 1).end).toMatchObject({
      status: "RESOURCE_EXHAUSTED",
      reason: "PRINCIPAL_RATE",
      retryAfterMs: 1_500,
      quota: "principal:token a",
    });
    expect(ingest.total("press").count).toBe(burst + 150);
  });

  it("does not count what could not be stored", () => {
    const store = new FailingStore(defaultTiers);
    const ingest = of(store);
    const call = ingest.open("stream", gateway("a"));
    call.register("press");
    ingest.flush();
    store.failure = diskFull();
    call.batches(many(1, 2 * burst));
    ingest.flush();
    store.failure = undefined;
    const again = ingest.open("stream", gateway("a"));
    again.register("press");
    ingest.flush();
    again.take();
    again.batches(many(1, burst));
    ingest.flush();
    expect(again.take().delays).toEqual([]);
  });

  it("is nobody who has not said who he is", () => {
    const ingest = of();
    const call = ingest.open("stream");
    call.register("press");
    call.batches(many(1, 2 * burst));
    ingest.flush();
    expect(call.take().delays).toEqual([]);
  });
});
