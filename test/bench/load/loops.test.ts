import { describe, expect, it, onTestFinished, vi } from "vitest";
import { ClosedLoop } from "../../../bench/load/closed-loop.ts";
import { Latencies } from "../../../bench/load/latencies.ts";
import { Meter } from "../../../bench/load/meter.ts";
import { OpenLoop } from "../../../bench/load/open-loop.ts";
import { scheduleOf } from "../../../bench/load/schedule.ts";
import type { Sender } from "../../../bench/load/sender.ts";
import { systemClock } from "../../../lib/base/clock.ts";

/** Time is the test's: timers and the clock that the loops read. */
function synthetic(slots: number, serviceMs: (nowMs: number) => number) {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const startMs = systemClock.elapsedMs();
  const meter = new Meter(systemClock, 10);
  /** From the real sending to the ack: what a loop that forgets its intentions would tell. */
  const fromSending = new Latencies();
  const sender = new SyntheticSender(slots, async () => {
    const sentMs = systemClock.elapsedMs();
    await new Promise((resolve) => setTimeout(resolve, serviceMs(sentMs - startMs)));
    fromSending.record(systemClock.elapsedMs() - sentMs);
  });
  return {
    meter,
    sender,
    fromSending,
    ending: new AbortController(),
    options: { sender, slots, clock: systemClock, meter },
  };
}

class SyntheticSender implements Sender {
  sent = 0;
  readonly inFlight = new Set<number>();
  readonly #slots: number;
  readonly #serve: () => Promise<void>;

  constructor(slots: number, serve: () => Promise<void>) {
    this.#slots = slots;
    this.#serve = serve;
  }

  async open(): Promise<void> {}

  async send(slot: number): Promise<void> {
    expect(slot).toBeLessThan(this.#slots);
    expect(this.inFlight.has(slot)).toBe(false);
    this.inFlight.add(slot);
    this.sent += 1;
    await this.#serve();
    this.inFlight.delete(slot);
  }

  async close(): Promise<void> {}
}

function senderOf(send: Sender["send"]): Sender {
  return { open: async () => {}, send, close: async () => {} };
}

/** Answers after 2 ms, but between 4 s and 5.4 s answers nothing. */
function stalling(nowMs: number): number {
  return nowMs > 4_000 && nowMs < 5_400 ? 5_402 - nowMs : 2;
}

describe("an open loop", () => {
  it("shows in p99 that a server has stalled for 1.4 s, which counting from the sending would hide", async () => {
    const { meter, fromSending, ending, options } = synthetic(16, stalling);
    const loop = new OpenLoop(options, scheduleOf({ arrival: "constant", perSecond: 1_000, durationMs: 10_000 }));
    meter.start();
    const running = loop.run(ending.signal);
    await vi.advanceTimersByTimeAsync(10_100);
    meter.stop();
    ending.abort();
    await running;
    const { p50, p99, max } = meter.latencies.quantiles();
    expect(meter.latencies.count).toBe(10_000);
    expect(p50).toBeLessThan(5);
    expect(p99).toBeGreaterThanOrEqual(1_000);
    expect(max).toBeGreaterThanOrEqual(1_390);
    // Sixteen messages of 10,000 were in flight, and the others had not been sent: they look as if nothing had been.
    expect(fromSending.quantiles().p99).toBeLessThan(5);
  });

  it("sends each message when it is due, to a millisecond", async () => {
    const { sender, meter, ending, options } = synthetic(4, () => 1);
    const loop = new OpenLoop(options, Float64Array.of(0, 0, 10, 500.5, 501));
    meter.start();
    const running = loop.run(ending.signal);
    expect(sender.sent).toBe(2);
    await vi.advanceTimersByTimeAsync(9);
    expect(sender.sent).toBe(2);
    await vi.advanceTimersByTimeAsync(1);
    expect(sender.sent).toBe(3);
    await vi.advanceTimersByTimeAsync(490);
    expect(sender.sent).toBe(3);
    await vi.advanceTimersByTimeAsync(3);
    expect(sender.sent).toBe(5);
    ending.abort();
    await running;
    expect(meter.latencies.quantiles().max).toBeLessThanOrEqual(2.5);
  });

  it("tells how many messages wait, and sends them as soon as there are slots", async () => {
    const { sender, ending, options } = synthetic(2, (nowMs) => (nowMs < 1_000 ? 1_000 - nowMs : 1));
    const loop = new OpenLoop(options, scheduleOf({ arrival: "constant", perSecond: 100, durationMs: 2_000 }));
    const running = loop.run(ending.signal);
    await vi.advanceTimersByTimeAsync(995);
    expect(sender.sent).toBe(2);
    expect(loop.waiting).toBe(98);
    await vi.advanceTimersByTimeAsync(105);
    expect(loop.waiting).toBe(0);
    ending.abort();
    await vi.advanceTimersByTimeAsync(5);
    await running;
  });

  it("counts at its end how long those have waited that it could not send", async () => {
    const { sender, meter, ending, options } = synthetic(1, () => 700);
    const loop = new OpenLoop(options, scheduleOf({ arrival: "constant", perSecond: 10, durationMs: 1_000 }));
    meter.start();
    const running = loop.run(ending.signal);
    await vi.advanceTimersByTimeAsync(1_000);
    meter.stop();
    ending.abort();
    await vi.advanceTimersByTimeAsync(1_000);
    await running;
    expect(sender.sent).toBe(2);
    expect(meter.latencies.count).toBe(10);
    // The second was due at 100 ms, was sent at 700, and answered at 1,400. Only the first was within the measurement.
    expect(meter.latencies.quantiles().max).toBeCloseTo(1_300, -1);
    expect(meter.samples).toBe(10);
  });

  it("tells its sender when each message was to be sent", async () => {
    const { ending, options } = synthetic(1, () => 1);
    const startMs = systemClock.elapsedMs();
    const dueMs: (number | undefined)[] = [];
    const sender = senderOf(async (_, due) => {
      dueMs.push(due === undefined ? undefined : due - startMs);
      await new Promise((resolve) => setTimeout(resolve, 50));
    });
    const running = new OpenLoop({ ...options, sender }, Float64Array.of(0, 10, 20)).run(ending.signal);
    await vi.advanceTimersByTimeAsync(200);
    ending.abort();
    await running;
    expect(dueMs).toEqual([0, 10, 20]);
  });

  it("tells how late it is itself, and takes no blame for messages that waited for a slot", async () => {
    const { meter, ending, options } = synthetic(2, (nowMs) => (nowMs < 1_000 ? 700 : 1));
    let stalledMs = 0;
    const clock = { ...systemClock, elapsedMs: () => systemClock.elapsedMs() + stalledMs };
    const loop = new OpenLoop({ ...options, clock }, Float64Array.of(0, 0, 10, 2_000, 2_100));
    meter.start();
    const running = loop.run(ending.signal);
    await vi.advanceTimersByTimeAsync(1_900);
    expect(loop.lateness.count).toBe(2);
    expect(loop.lateness.quantiles().max).toBeLessThanOrEqual(2);
    // The process has stood still just before its timer: it has a slot, and does not use it.
    stalledMs = 150;
    await vi.advanceTimersByTimeAsync(500);
    ending.abort();
    await running;
    expect(loop.lateness.count).toBe(4);
    expect(loop.lateness.quantiles().max).toBeGreaterThan(100);
  });

  it("fails with the first failure of its sender", async () => {
    const { ending, options } = synthetic(2, () => 1);
    const sender = senderOf(() => Promise.reject(new Error("refused")));
    const loop = new OpenLoop({ ...options, sender }, Float64Array.of(0, 0, 1));
    await expect(loop.run(ending.signal)).rejects.toThrow("refused");
  });

  it("ends when nothing was due", async () => {
    const { ending, options } = synthetic(2, () => 1);
    const running = new OpenLoop(options, new Float64Array(0)).run(ending.signal);
    ending.abort();
    await running;
  });
});

describe("a closed loop", () => {
  it("has as many messages in flight as slots, each sent when the one before is settled", async () => {
    const { sender, meter, ending, options } = synthetic(3, () => 10);
    const running = new ClosedLoop(options).run(ending.signal);
    await vi.advanceTimersByTimeAsync(95);
    meter.start();
    expect(sender.inFlight.size).toBe(3);
    await vi.advanceTimersByTimeAsync(1_000);
    meter.stop();
    ending.abort();
    await vi.advanceTimersByTimeAsync(10);
    await running;
    expect(sender.inFlight.size).toBe(0);
    expect(meter.samples).toBe(3 * 100 * 10);
    expect(meter.seconds).toBeCloseTo(1);
    expect(meter.latencies.quantiles()).toMatchObject({ p50: 10, max: 10 });
  });

  it("shows a stall in as few latencies as it has slots: that is why latency is measured in an open loop", async () => {
    const { meter, ending, options } = synthetic(4, stalling);
    meter.start();
    const running = new ClosedLoop(options).run(ending.signal);
    await vi.advanceTimersByTimeAsync(10_000);
    meter.stop();
    ending.abort();
    await vi.advanceTimersByTimeAsync(5);
    await running;
    expect(meter.latencies.quantiles().p99).toBeLessThan(5);
    expect(meter.latencies.quantiles().max).toBeGreaterThan(1_390);
  });

  it("ends by itself when no slot has more", async () => {
    const { sender, ending, options } = synthetic(3, () => 10);
    const left = [2, 0, 5];
    const running = new ClosedLoop(options, (slot) => left[slot]-- > 0).run(ending.signal);
    await vi.advanceTimersByTimeAsync(60);
    await running;
    expect(sender.sent).toBe(7);
  });

  it("fails with the first failure of its sender, and sends no more", async () => {
    const { ending, options } = synthetic(2, () => 1);
    let sends = 0;
    const send = async (slot: number) => {
      sends += 1;
      if (slot === 1) throw new Error("refused");
      await new Promise((resolve) => setTimeout(resolve, 1));
    };
    const running = new ClosedLoop({ ...options, sender: senderOf(send) }).run(ending.signal);
    const failure = expect(running).rejects.toThrow("refused");
    await vi.advanceTimersByTimeAsync(100);
    await failure;
    expect(sends).toBe(2);
  });
});
