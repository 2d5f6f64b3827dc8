import { describe, expect, it, vi } from "vitest";
import type { LoadOptions } from "../../../bench/load-test/load-options.ts";
import { figuresOf, isLimited } from "../../../bench/load-test/load-result.ts";
import { LoadTest } from "../../../bench/load-test/load-test.ts";
import { judge, withUsual } from "../../../bench/load-test/threshold.ts";
import { uplinkModes } from "../../../device-sim/uplink/uplink.ts";
import { StableServer } from "../../device-sim/support/stable-server.ts";
import { startProxy } from "../../support/proxy.ts";
import { push } from "../../support/query.ts";
import { serverOfFile, startServer } from "../../support/server.ts";
import { loadOptions } from "./support/load-options.ts";

const server = serverOfFile();
const never = new AbortController().signal;

async function connect(options: Partial<LoadOptions>, waitingBytesMax?: number): Promise<LoadTest> {
  return await LoadTest.connect(
    { ...loadOptions, server: { address: server().address, options: {} }, ...options },
    waitingBytesMax,
  );
}

const passes = (result: Parameters<typeof figuresOf>[0]) =>
  judge(withUsual([]), figuresOf(result)).every(({ passed }) => passed);

async function until(condition: () => boolean): Promise<void> {
  await vi.waitUntil(condition, { interval: 2, timeout: 20_000 });
}

describe.concurrent("a load", () => {
  it.each(uplinkModes)("is sent, acked and counted to the last sample, by %s", async (mode) => {
    const load = await connect({ mode, idPrefix: `plain-${mode}-`, rampMs: 300 });
    const result = await load.run(never);
    // 0.3 s of ramp give half of what they would give without.
    const samples = 2_000 * (1 - 0.3 / 2);
    expect(figuresOf(result)).toMatchObject({ offered: samples, sent: samples, acked: samples, counted: samples });
    expect(figuresOf(result)).toMatchObject({ unacked: 0, lost: 0, duplicated: 0, wrong_series: 0, refused: 0 });
    expect(result.verification?.series).toBe(20);
    expect(result.ackMs.max).toBeGreaterThanOrEqual(result.ackMs.p50);
    expect(passes(result)).toBe(true);
  });

  it.each(uplinkModes)("is counted once through cuts, repeated batches and late readings, by %s", async (mode) => {
    const load = await connect({
      mode,
      idPrefix: `faults-${mode}-`,
      durationMs: 2_500,
      cutRate: 0.9,
      resendRate: 0.2,
      lateRate: 0.3,
      arrival: "poisson",
    });
    const result = await load.run(never);
    const { cuts, batchesRepeated, readingsLate } = result.faults;
    expect(Math.min(cuts, batchesRepeated, readingsLate)).toBeGreaterThan(0);
    expect(result.reconnects).toBeGreaterThanOrEqual(cuts - loadOptions.connections);
    const { offered, sent, acked, counted } = figuresOf(result);
    expect({ sent, acked, counted }).toEqual({ sent: offered, acked: offered, counted: offered });
    expect(passes(result)).toBe(true);
  });

  it("ends early when it is interrupted, and offers no more than was due by then", async () => {
    const interrupt = new AbortController();
    const load = await connect({ idPrefix: "early-", durationMs: 3_600_000 });
    const running = load.run(interrupt.signal);
    await until(() => load.tally.batchesAcked > 50);
    interrupt.abort();
    const result = await running;
    expect(result).toMatchObject({ isInterrupted: true });
    expect(result.offered).toBeGreaterThan(250);
    expect(result.offered).toBeLessThan(20_000);
    const { offered, acked, counted } = figuresOf(result);
    expect({ acked, counted }).toEqual({ acked: offered, counted: offered });
    expect(passes(result)).toBe(true);
  });

  it("does not pass when another spool takes a device over, and goes on with the others", async () => {
    const load = await connect({ idPrefix: "taken-" });
    const running = load.run(never);
    await until(() => load.tally.batchesAcked > 50);
    await push(server(), "taken-0002", 1, [1], { timeMs: Date.now(), spool: 9, metrics: ["temperature"] });
    const result = await running;
    expect(result.devicesFailed).toBe(1);
    expect(result.refusals[0]).toMatch(/^taken-0002 was refused: /);
    const { offered = 0, acked = 0, unacked = 0 } = figuresOf(result);
    expect(offered).toBe(2_000);
    expect(acked).toBeGreaterThanOrEqual(1_500);
    expect(unacked).toBeGreaterThan(0);
    expect(result.verification?.differences.join("\n")).toContain("taken-0002: another session has taken it over");
    expect(passes(result)).toBe(false);
  });

  it("ends at once when every device is refused", async () => {
    const load = await connect({ idPrefix: "none-", devices: 1, durationMs: 3_600_000 });
    const running = load.run(never);
    await until(() => load.tally.batchesAcked > 10);
    await push(server(), "none-0001", 1, [1], { timeMs: Date.now(), spool: 9, metrics: ["temperature"] });
    expect(passes(await running)).toBe(false);
  });

  it("refuses an id prefix that devices of the server have", async () => {
    await push(server(), "mine-0007", 1, [1]);
    await expect(connect({ idPrefix: "mine-" })).rejects.toThrow(
      '--id-prefix is "mine-", and the server has mine-0007 already; choose one that is new to it, or leave it out',
    );
  });
});

describe("a load on a way or a server of its own", () => {
  it("charges a stall with every batch that was due meanwhile", async () => {
    const proxy = await startProxy(server().address);
    const load = await connect({
      server: { address: proxy.address, options: {} },
      idPrefix: "stall-",
      durationMs: 1_500,
    });
    const running = load.run(never);
    const waiting = () => load.dueTimes.dueBy(load.pacer.elapsedMs()) - load.tally.batchesAcked;
    await until(() => load.tally.batchesAcked > 100);
    proxy.stall();
    // 400 batches per second: half a second of them.
    await until(() => waiting() >= 200);
    const stalledMs = (1_000 * waiting()) / 400;
    proxy.goOn();
    const { ackMs, verification } = await running;
    // Who sends the next batch after the ack of the one before would have seen a handful of slow ones in 600.
    expect(ackMs.p99).toBeGreaterThan(0.8 * stalledMs);
    expect(ackMs.p90).toBeGreaterThan(0.5 * stalledMs);
    expect(verification).toMatchObject({ counted: 3_000, lost: 0, duplicated: 0 });
  });

  it("goes on when the server has been away, and charges it with that", async () => {
    const stable = await StableServer.start();
    const load = await connect({
      server: { address: stable.address, options: {} },
      idPrefix: "away-",
      durationMs: 1_500,
    });
    const running = load.run(never);
    await until(() => load.tally.batchesAcked > 100);
    await stable.stop();
    await until(() => load.dueTimes.dueBy(load.pacer.elapsedMs()) - load.tally.batchesAcked >= 100);
    await stable.start();
    const result = await running;
    expect(result.reconnects).toBeGreaterThan(0);
    expect(result.ackMs.p99).toBeGreaterThan(250);
    expect(figuresOf(result)).toMatchObject({ offered: 3_000, acked: 3_000, counted: 3_000 });
    expect(passes(result)).toBe(true);
  });

  it("does not pass when the server goes away for good, and counts what waits with the time it has waited", async () => {
    const stable = await StableServer.start();
    const load = await connect({ server: { address: stable.address, options: {} }, idPrefix: "gone-", drainMs: 300 });
    const running = load.run(never);
    await until(() => load.tally.batchesAcked > 100);
    await stable.stop();
    const result = await running;
    const { offered, acked, unacked, counted, lost, ack_max, ack_p50 } = figuresOf(result);
    expect(offered).toBe(2_000);
    expect(unacked).toBe(2_000 - (acked ?? 0));
    expect({ counted, lost }).toEqual({ counted: undefined, lost: undefined });
    expect(result.notVerified).not.toBe("");
    // Most of the second, and the drain.
    expect(ack_max).toBeGreaterThan(500);
    expect(ack_p50).toBeGreaterThan(100);
    expect(passes(result)).toBe(false);
  });

  it("keeps no more waiting than it has room for, and seals the rest when there is room again", async () => {
    const proxy = await startProxy(server().address);
    const load = await connect({ server: { address: proxy.address, options: {} }, idPrefix: "room-" }, 55_200);
    const running = load.run(never);
    await until(() => load.tally.batchesAcked > 50);
    proxy.stall();
    await until(() => load.phase === "draining");
    // 552 bytes each.
    expect(load.tally.batchesWaiting).toBe(100);
    proxy.goOn();
    const result = await running;
    expect(figuresOf(result)).toMatchObject({ offered: 2_000, acked: 2_000, counted: 2_000 });
    // Most of them had no room when they were due, and waited since: from their sealing on they took no time.
    expect(result.ackMs.p50).toBeGreaterThan(100);
    // It was the server that held it up.
    expect(result.generator.lateMs.max).toBeLessThan(0.5 * result.ackMs.max);
  });

  it("tells what was refused, does not take it for lost, and does not pass", async () => {
    const small = await startServer({ seriesPerDeviceMax: 3 });
    const load = await connect({ server: { address: small.address, options: {} }, idPrefix: "refused-" });
    const result = await load.run(never);
    expect(figuresOf(result)).toMatchObject({ acked: 2_000, counted: 1_200, refused: 800, lost: 0, unacked: 0 });
    expect(result.refusals[0]).toMatch(/^samples were refused, first refused-000\d: /);
    expect(passes(result)).toBe(false);
  });
});

describe("the generator", () => {
  const quantiles = { p50: 1, p90: 2, p99: 3, p999: 5, max: 20 };
  const fine = { lateMs: quantiles, cpuShare: 0.4, busyShare: 0.4 };

  it.each([
    ["as it usually is", fine, false],
    ["late often", { ...fine, lateMs: { ...quantiles, p99: 15 } }, true],
    ["late once, by long", { ...fine, lateMs: { ...quantiles, max: 400 } }, true],
    ["busy nearly all the time", { ...fine, busyShare: 0.95 }, true],
  ])("%s", (_, state, limited) => {
    expect(isLimited(state)).toBe(limited);
  });

  it("is late when its own event loop is held up, and says so", async () => {
    const load = await connect({ idPrefix: "late-" });
    const running = load.run(never);
    await until(() => load.tally.batchesAcked > 50);
    const untilMs = performance.now() + 200;
    while (performance.now() < untilMs);
    const { generator } = await running;
    expect(generator.lateMs.max).toBeGreaterThan(150);
    expect(isLimited(generator)).toBe(true);
  });
});
