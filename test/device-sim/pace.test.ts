import { describe, expect, it, onTestFinished, vi } from "vitest";
import { Pace, parseSpeed } from "../../device-sim/pace.ts";
import type { Clock } from "../../lib/base/clock.ts";
import { TelemetryError } from "../../lib/base/errors.ts";

const never = new AbortController().signal;

/** Turned by the test. */
class HandClock implements Clock {
  time = Date.UTC(2026, 0, 1);
  elapsed = 1_000;
  readonly nowMs = () => this.time;
  readonly elapsedMs = () => this.elapsed;

  pass(ms: number): void {
    this.time += ms;
    this.elapsed += ms;
  }
}

/** Whether an event time is due now. What waits is let go. */
async function isDue(pace: Pace, timeMs: number): Promise<boolean> {
  const stop = new AbortController();
  let due = false;
  const waiting = pace.due(timeMs, stop.signal).then(() => {
    due = !stop.signal.aborted;
  });
  for (let turn = 0; turn < 3; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  stop.abort();
  await waiting;
  return due;
}

describe("a pace", () => {
  it("takes the origin to be now", async () => {
    const clock = new HandClock();
    expect(await isDue(new Pace(1, 0, clock, false), 0)).toBe(true);
  });

  it("holds event time to the clock at real time", async () => {
    const clock = new HandClock();
    const pace = new Pace(1, 0, clock, false);
    expect(await isDue(pace, 10_000)).toBe(false);
    clock.pass(9_000);
    expect(await isDue(pace, 10_000)).toBe(false);
    clock.pass(1_000);
    expect(await isDue(pace, 10_000)).toBe(true);
  });

  it("runs event time as much faster as it is told", async () => {
    const clock = new HandClock();
    const pace = new Pace(60, 0, clock, false);
    clock.pass(1_000);
    expect(await isDue(pace, 60_000)).toBe(true);
    expect(await isDue(pace, 120_000)).toBe(false);
  });

  it("waits for nothing at full speed", async () => {
    const pace = new Pace(Number.POSITIVE_INFINITY, 0, new HandClock(), false);
    expect(await isDue(pace, 1e14)).toBe(true);
  });

  it("lets a time before the origin through at once", async () => {
    const pace = new Pace(1, 1_000_000, new HandClock(), false);
    expect(await isDue(pace, 0)).toBe(true);
  });

  it("never lets a simulation get ahead of the time of day", async () => {
    const clock = new HandClock();
    const startMs = clock.time - 60_000;
    const pace = new Pace(Number.POSITIVE_INFINITY, startMs, clock, true);
    expect(await isDue(pace, startMs + 60_000)).toBe(true);
    expect(await isDue(pace, startMs + 70_000)).toBe(false);
    clock.pass(10_000);
    expect(await isDue(pace, startMs + 70_000)).toBe(true);
  });

  it("is not moved by a step of the time of day when it replays", async () => {
    const clock = new HandClock();
    const pace = new Pace(1, 0, clock, false);
    clock.time += 86_400_000;
    expect(await isDue(pace, 10_000)).toBe(false);
    clock.time -= 2 * 86_400_000;
    clock.elapsed += 10_000;
    expect(await isDue(pace, 10_000)).toBe(true);
  });

  it("returns when it is stopped", async () => {
    const stop = new AbortController();
    const waiting = new Pace(1, 0, new HandClock(), false).due(1e9, stop.signal);
    stop.abort();
    await waiting;
    await new Pace(1, 0, new HandClock(), false).due(1e9, stop.signal);
  });

  it("waits as a whole for what is due in a month, without turning over and over", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    onTestFinished(() => void vi.useRealTimers());
    const clock = new HandClock();
    let asked = 0;
    const elapsedMs = () => {
      asked += 1;
      return clock.elapsed;
    };
    const stop = new AbortController();
    const waiting = new Pace(1, 0, { nowMs: clock.nowMs, elapsedMs }, false).due(30 * 86_400_000, stop.signal);
    const askedFirst = asked;
    // A timer takes 24 days at most: a longer one fires after a millisecond.
    await vi.advanceTimersByTimeAsync(20);
    stop.abort();
    await waiting;
    // Once more when it is stopped.
    expect(asked - askedFirst).toBeLessThanOrEqual(1);
  });

  it("serves the sockets now and then at full speed", async () => {
    const clock = new HandClock();
    const pace = new Pace(Number.POSITIVE_INFINITY, 0, clock, false);
    let served = false;
    setImmediate(() => {
      served = true;
    });
    for (let row = 0; row < 1_000 && !served; row += 1) {
      clock.pass(1);
      await pace.due(row, never);
    }
    expect(served).toBe(true);
  });
});

describe("parseSpeed", () => {
  it.each([
    ["realtime", 1],
    ["max", Number.POSITIVE_INFINITY],
    ["1x", 1],
    ["60x", 60],
    ["0.5x", 0.5],
  ])("reads %s", (text, speed) => {
    expect(parseSpeed(text)).toBe(speed);
  });

  it.each(["", "60", "x", "0x", "0.0x", "-1x", "1e3x", "60X", "MAX", " 60x", "60x ", "Infinityx", "1.x"])(
    "refuses %j with the value and the remedy",
    (text) => {
      const read = () => parseSpeed(text);
      expect(read).toThrow(TelemetryError);
      expect(read).toThrow(JSON.stringify(text));
      expect(read).toThrow("write realtime, max, or a factor such as 60x");
    },
  );
});
