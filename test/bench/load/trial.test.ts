import { describe, expect, it } from "vitest";
import type { Cell } from "../../../bench/cell.ts";
import type { GeneratorPlan } from "../../../bench/load/messages.ts";
import { runTrial } from "../../../bench/load/trial.ts";
import type { IngestQuotas } from "../../../ingest/quotas.ts";
import { startServer } from "../../support/server.ts";
import { Heard, planOf } from "./support/plan.ts";

const productWays = ["grpc-push", "grpc-upload", "grpc-stream"] as const;

/** A trial against a server of its own. */
async function run(cell: Partial<Cell>, plan: Partial<GeneratorPlan> = {}, quotas: Partial<IngestQuotas> = {}) {
  const server = await startServer({ samplesPerSecondMax: Number.POSITIVE_INFINITY, ...quotas });
  const heard = new Heard();
  const trial = planOf({ grpc: server.address }, cell, { warmUpMs: 30, measureMs: 100, ...plan });
  return { heard, report: await runTrial(trial, heard.say) };
}

const exactlyOnce = { lost: 0, duplicated: 0, seriesWrong: 0 };

describe("a trial", () => {
  it("finds each sample once, and the same digest by every way and in batches of every size", async () => {
    const cells: Partial<Cell>[] = [
      { way: "grpc-push", batchSamples: 10 },
      { way: "grpc-upload", batchSamples: 100 },
      { way: "grpc-stream", batchSamples: 1, slots: 8 },
      { way: "grpc-stream", batchSamples: 7, batchesPerMessage: 16 },
      { way: "grpc-stream", batchSamples: 1_000, gzip: true },
      { way: "grpc-stream", batchSamples: 5_000 },
    ];
    const digests = new Set<string>();
    for (const cell of cells) {
      const { report, heard } = await run(cell);
      expect(report, JSON.stringify(cell)).toMatchObject(exactlyOnce);
      expect(heard.kinds).toEqual(["measuring", "measured"]);
      digests.add(report.digest);
    }
    expect([...digests]).toEqual([expect.stringMatching(/^[0-9a-f]{64}$/)]);
    // Six trials: half a minute, and twice as long on a machine that others use.
  }, 180_000);

  it("has another digest for another seed", async () => {
    const reports = [await run({}, { seed: 1 }), await run({}, { seed: 2 })];
    expect(reports[0].report.digest).not.toBe(reports[1].report.digest);
  });

  it("checks nothing where the server keeps nothing", async () => {
    const { report } = await run({}, { isNull: true });
    expect(report).toMatchObject({ ...exactlyOnce, digest: "" });
  });

  it.each(productWays)("%s registers and counts many devices that take turns", async (way) => {
    const batchesPerMessage = way === "grpc-stream" ? 8 : 1;
    const { report } = await run({ way, batchesPerMessage, slots: 6, devices: 700, batchSamples: 10 });
    expect(report).toMatchObject(exactlyOnce);
  });

  it.each(productWays)("%s counts each sample once in an open loop", async (way) => {
    const openLoop = { arrival: "poisson", samplesPerSecond: 20_000, leadInMs: 50 } as const;
    const { report } = await run({ way, slots: 16, late: 0.25 }, { openLoop, measureMs: 300 });
    expect(report).toMatchObject(exactlyOnce);
    expect(report.samples).toBeGreaterThan(0);
  });

  it("says how it goes", async () => {
    const { heard, report } = await run({}, { measureMs: 450 });
    const progress = heard.messages.filter((message) => message.kind === "progress");
    expect(progress.length).toBeGreaterThanOrEqual(2);
    const settled = progress.map(({ samplesSettled }) => samplesSettled);
    expect(settled).toEqual([...settled].sort((a, b) => a - b));
    expect(settled.at(-1)).toBeGreaterThan(0);
    expect(progress.map(({ seconds }) => seconds).at(-1)).toBeGreaterThan(0.1);
    expect(report.freshnessMs).toBeUndefined();
  });

  it("measures how fresh a subscriber's windows are", async () => {
    const openLoop = { arrival: "constant", samplesPerSecond: 10_000, leadInMs: 50 } as const;
    const { report } = await run({}, { openLoop, measureMs: 900, subscribe: true });
    expect(report).toMatchObject(exactlyOnce);
    expect(report.freshnessMs?.p50).toBeGreaterThan(0);
    // The server publishes every 100 ms, and a test is not alone on its machine.
    expect(report.freshnessMs?.p50).toBeLessThan(5_000);
  });

  it("has no freshness where no probe was sent while it was measured", async () => {
    // One message per second: the one that there is comes before what is measured.
    const openLoop = { arrival: "constant", samplesPerSecond: 100, leadInMs: 50 } as const;
    const { report } = await run({}, { openLoop, measureMs: 50, subscribe: true });
    expect(report).toMatchObject(exactlyOnce);
    expect(report.samples).toBe(0);
    expect(report.freshnessMs).toBeUndefined();
    expect(report.generatorLateMs).toBeUndefined();
  });

  it.each(productWays)("%s fails when the server refuses samples, with its reason", async (way) => {
    const failed = run({ way }, {}, { seriesPerDeviceMax: 5 });
    await expect(failed).rejects.toMatchObject({ reason: "SERIES_LIMIT", message: expect.stringContaining("5") });
  });
});
