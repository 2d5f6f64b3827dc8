import { beforeAll, describe, expect, it } from "vitest";
import type { SimulateOptions } from "../../cli/simulate-options.ts";
import { simulate } from "../../cli/simulation.ts";
import { uplinkModes } from "../../device-sim/uplink/uplink.ts";
import { defaultTiers, tierName } from "../../lib/aggregate/tiers.ts";
import { TestServer } from "../support/server.ts";
import { type Aggregate, aggregatesOf } from "./support/aggregates.ts";

const devices = 5;
const metrics = 10;
const batches = 40;
const batchSamples = 64;
const samples = devices * batches * batchSamples;

/** Two hours around midnight: every tier has several windows. */
const simulation: Omit<SimulateOptions, "address" | "mode"> = {
  devices,
  metrics,
  interval: 30_000,
  batchSamples,
  connections: 1,
  seed: 42,
  batches,
  start: Date.UTC(2026, 0, 14, 23),
  speed: Number.POSITIVE_INFINITY,
  idPrefix: "sim-",
};

const never = new AbortController().signal;

/** What a fresh server has after a simulation. */
async function aggregatesAfter(options: Partial<SimulateOptions>): Promise<Record<string, Aggregate>> {
  const server = await TestServer.start();
  try {
    const summary = await simulate(
      { ...simulation, mode: "stream", address: server.address, ...options } as SimulateOptions,
      never,
    );
    expect(summary).toMatchObject({ samplesSent: samples, samplesAcked: samples, samplesRejected: 0 });
    return await aggregatesOf(server.address);
  } finally {
    await server.remove();
  }
}

describe("the same seed and start, with whole numbers", () => {
  let byStream: Record<string, Aggregate>;
  beforeAll(async () => {
    byStream = await aggregatesAfter({ integers: true });
  });

  it.each(defaultTiers.map(tierName))("has every sample in the tier %s, in several windows of each series", (tier) => {
    const windows = Object.entries(byStream).filter(([name]) => name.startsWith(`${tier} `));
    expect(windows.reduce((sum, [, { count }]) => sum + count, 0)).toBe(samples);
    expect(windows.length).toBeGreaterThanOrEqual(2 * devices * metrics);
  });

  it.each(["upload", "push"] as const)("gives by %s the aggregates of a stream, field by field", async (mode) => {
    expect(await aggregatesAfter({ mode, integers: true })).toEqual(byStream);
  });

  it("gives the same aggregates over several connections, in batches of another size", async () => {
    const split = { connections: 3, batchSamples: batchSamples / 4, batches: batches * 4 };
    expect(await aggregatesAfter({ ...split, integers: true })).toEqual(byStream);
  });

  it("gives other aggregates with another seed", async () => {
    expect(await aggregatesAfter({ seed: 43, integers: true })).not.toEqual(byStream);
  });
});

describe("the same seed and start", () => {
  it("gives the same aggregates in every mode, with sums that differ by rounding at most", async () => {
    const [first, ...others] = await Promise.all(uplinkModes.map((mode) => aggregatesAfter({ mode })));
    for (const other of others) {
      expect(withoutSums(other)).toEqual(withoutSums(first));
      for (const [name, { sum }] of Object.entries(other)) {
        expect(Math.abs(sum - first[name].sum)).toBeLessThanOrEqual(1e-9 * Math.abs(sum));
      }
    }
  });
});

function withoutSums(aggregates: Record<string, Aggregate>) {
  return Object.fromEntries(Object.entries(aggregates).map(([name, { sum: _, ...rest }]) => [name, rest]));
}
