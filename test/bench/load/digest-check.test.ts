import { describe, expect, it } from "vitest";
import { CheckSource, checkDigest, readDigest } from "../../../bench/load/digest-check.ts";
import { startServer } from "../../support/server.ts";
import { planOf } from "./support/plan.ts";

describe("the check of the digest", () => {
  it("fails when samples are there twice", async () => {
    const server = await startServer({ samplesPerSecondMax: Number.POSITIVE_INFINITY });
    const plan = planOf({ grpc: server.address });
    expect(await checkDigest(plan)).toMatch(/^[0-9a-f]{64}$/);
    // Another spool: the server must take them for other samples.
    await expect(checkDigest(plan)).rejects.toMatchObject({
      reason: "CONTENT_WRONG",
      message: expect.stringContaining("20 series are wrong, 0 samples are lost, 2000 are there too often"),
    });
  });

  it("fails when there is nothing", async () => {
    const server = await startServer();
    const expected = new Map([["check-00001 metric-1", { count: 3, sum: 6, min: 1, max: 3 }]]);
    await expect(readDigest(planOf({ grpc: server.address }), expected)).rejects.toMatchObject({
      reason: "CONTENT_WRONG",
      message: expect.stringContaining("1 series are wrong, 3 samples are lost, 0 are there too often"),
    });
  });

  it.each(["sum", "min", "max"] as const)("fails when a %s is not what was sent", async (name) => {
    const server = await startServer({ samplesPerSecondMax: Number.POSITIVE_INFINITY });
    const plan = planOf({ grpc: server.address });
    const { content } = new CheckSource(plan, plan.cell);
    await checkDigest(plan);
    await readDigest(plan, content);
    const [[key, series]] = content;
    const wrong = new Map(content).set(key, { ...series, [name]: series[name] + 1 });
    await expect(readDigest(plan, wrong)).rejects.toMatchObject({
      reason: "CONTENT_WRONG",
      message: expect.stringContaining("of 10000 ms of the check's devices are not what was sent: 1 series are wrong"),
    });
  });
});
