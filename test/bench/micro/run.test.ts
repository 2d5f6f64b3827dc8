import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { microNames, runMicro } from "../../../bench/micro/run.ts";

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "micro-test-"));
});
afterEach(() => rm(dir, { recursive: true }));

describe("the micro benchmarks", () => {
  it.each(microNames)("%s: every arm has a time in every round, and leaves no files", async (name) => {
    const trials = await runMicro(name, { rounds: 1, roundMs: 0, dir });
    expect(trials.length).toBeGreaterThan(0);
    for (const each of Map.groupBy(trials, ({ suite, arm, unit }) => `${suite} ${arm} ${unit}`).values()) {
      expect(each.map(({ round }) => round)).toEqual([0]);
      for (const { nanosecondsPerUnit } of each) expect(nanosecondsPerUnit).toBeGreaterThan(0);
    }
    for (const { suite } of trials) expect(suite.startsWith(`${name}: `)).toBe(true);
    expect(await readdir(dir)).toEqual([]);
  });

  it("run the arms of a suite in turn", async () => {
    const trials = await runMicro("codec", { rounds: 2, roundMs: 0, dir });
    const first = trials.filter(({ suite }) => suite === trials[0].suite);
    const columns = ["BatchDecoder", "fromBinary", "JSON.parse"].map((arm) => `columns, ${arm}`);
    const arms = [...columns, "rows, fromBinary", "rows, JSON.parse"];
    expect(first.map(({ arm, round }) => `${arm} ${round}`)).toEqual(
      [0, 1].flatMap((round) => arms.map((arm) => `${arm} ${round}`)),
    );
  });

  it("tell a group of the journal by its samples too", async () => {
    const trials = await runMicro("journal", { rounds: 1, roundMs: 0, dir });
    const [perGroup, perSample] = ["group", "sample"].map(
      (unit) =>
        trials.find((trial) => trial.suite === "journal: append 100 KiB" && trial.unit === unit)?.nanosecondsPerUnit ??
        0,
    );
    // 100 KiB of batches of 100 samples, each of some 850 bytes.
    expect(perGroup / perSample).toBeGreaterThan(10_000);
    expect(perGroup / perSample).toBeLessThan(14_000);
  });
});
