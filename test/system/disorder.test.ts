import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { disorderOf, fleetBasis, type SimulateOptions } from "../../cli/simulate-options.ts";
import { simulate } from "../../cli/simulation.ts";
import { uplinkModes } from "../../device-sim/uplink/uplink.ts";
import { tierName } from "../../lib/aggregate/tiers.ts";
import { systemClock } from "../../lib/base/clock.ts";
import { fleetSamples } from "../support/fleet-samples.ts";
import { oracleWindows } from "../support/oracle.ts";
import { startServer } from "../support/server.ts";
import { aggregatesOf } from "./support/aggregates.ts";
import { serve, temporaryDirectory, tidemark, until } from "./support/cli.ts";

const never = new AbortController().signal;
const startMs = Date.UTC(2026, 0, 14, 22);
/** Three hours around midnight, of which each device is offline some minutes. */
const trucks: SimulateOptions = {
  address: "",
  devices: 4,
  metrics: 8,
  interval: 10_000,
  batchSamples: 20,
  connections: 2,
  mode: "stream",
  seed: 7,
  batches: 433,
  start: startMs,
  speed: Number.POSITIVE_INFINITY,
  integers: true,
  idPrefix: "truck-",
  disorder: "trucks",
};
/** What the fleet has made but for what is missing, by tier, device, metric and start. */
const expected = expectedOf(trucks);

function expectedOf(options: SimulateOptions) {
  const samples = fleetSamples({
    ...fleetBasis(options),
    startMs,
    speed: options.speed,
    batches: options.batches,
    clock: systemClock,
    disorder: disorderOf(options),
  });
  const windows = oracleWindows(samples).map((window) => {
    const { device, metric, tierMs, startMs, count, sum, min, max, first, firstMs, last, lastMs } = window;
    const offsets = { firstOffsetMs: firstMs - startMs, lastOffsetMs: lastMs - startMs };
    const name = `${tierName({ widthMs: tierMs })} ${device} ${metric} ${startMs}`;
    return [name, { count, sum, min, max, first, last, ...offsets }] as const;
  });
  return { samples: samples.length, aggregates: Object.fromEntries(windows) };
}

async function counted(address: string) {
  const windows = Object.entries(await aggregatesOf(address)).map(([name, window]) => {
    const { count, sum, min, max, first, firstOffsetMs, last, lastOffsetMs } = window;
    return [name, { count, sum, min, max, first, last, firstOffsetMs, lastOffsetMs }] as const;
  });
  return Object.fromEntries(windows);
}

describe("a fleet of trucks", () => {
  it.each(uplinkModes)("has by %s the aggregates of its readings in order, but for the missing ones", async (mode) => {
    const server = await startServer();
    const { samples, aggregates } = expected;
    const summary = await simulate({ ...trucks, mode, address: server.address }, never);
    expect(summary).toMatchObject({ samplesSent: samples, samplesAcked: samples, samplesRejected: 0 });
    expect(await counted(server.address)).toEqual(aggregates);

    const made = trucks.devices * Math.ceil((433 * 20) / trucks.metrics);
    expect(summary.readingsMissing / made).toBeCloseTo(0.1, 1);
    expect(summary.readingsLate / made).toBeCloseTo(0.27, 1);
    expect(summary.timesOffline).toBeGreaterThan(0);
    expect(samples).toBeLessThan(0.93 * trucks.devices * 433 * 20);
  });

  it("has the same when it is stopped, and goes on with its spool", async () => {
    const server = await startServer();
    const options = { ...trucks, address: server.address, spool: await temporaryDirectory() };
    const { samples, aggregates } = expected;
    const stop = new AbortController();
    // A reading of each device every 40 ms: it is stopped long before its end, on a slow machine too.
    const running = simulate({ ...options, speed: 250 }, stop.signal);
    await until(async () => Object.keys(await aggregatesOf(server.address)).length > 200);
    stop.abort();
    const first = await running;
    expect(first.samplesAcked).toBe(first.samplesSent);
    expect(first.samplesSent).toBeLessThan(samples / 2);
    const second = await simulate(options, never);
    expect(first.samplesAcked + second.samplesAcked).toBe(samples);
    expect(await counted(server.address)).toEqual(aggregates);
  });
});

describe("verify", () => {
  it.each([
    ["at full speed", ["--start", "2026-01-14T22:00:00Z", "--speed", "max", "--interval", "10s", "--batches", "1000"]],
    [
      "in real time",
      ["--interval", "10ms", "--duration", "2s", "--late-by", "300ms", "--offline", "0.3", "--offline-for", "300ms"],
    ],
  ])("proves the aggregates of trucks %s: sent = acked = counted", async (_, flags) => {
    const { address } = await serve(["--data", await temporaryDirectory()]);
    const log = join(await temporaryDirectory(), "sent.ndjson");
    const fleet = ["--devices", "5", "--integers", "--disorder", "trucks", "--resend", "0.05", "--log", log];
    const simulated = await tidemark(["simulate", "--address", address, ...fleet, ...flags]);
    expect(simulated).toMatchObject({ code: 0, stderr: "" });
    expect(simulated.stdout).toMatch(/^readings late [1-9]\d* {2}missing [1-9]\d* {2}times offline [1-9]/m);
    const { code, stdout } = await tidemark(["verify", "--address", address, "--log", log]);
    expect(stdout).toMatch(/^sent = acked = counted, 0 lost, 0 counted twice$/m);
    expect(stdout).toMatch(/ 0 differences$/m);
    expect(code).toBe(0);
  });
});
