import { describe, expect, it } from "vitest";
import { type Cell, cellName, cellOf } from "../../../bench/cell.ts";
import type { Effort } from "../../../bench/results.ts";
import { BenchRun, type RunOptions } from "../../../bench/run/run.ts";
import type { BenchSet, Scenario } from "../../../bench/run/scenarios.ts";
import type { TrialOutcome, TrialPlan } from "../../../bench/run/trial.ts";
import { neverAborted } from "../../../lib/base/wait.ts";

const a = cellOf({ batchSamples: 10 });
const b = cellOf({ way: "http1", encoding: "json-rows", batchSamples: 10 });
const effort: Effort = { rounds: 2, warmUpMs: 1, measureMs: 10, ceilingRounds: 0, isFull: false };
const quantiles = { p50: 1, p90: 1, p99: 1, p999: 1, max: 1 };

/** What a trial comes to that goes well, unless told otherwise. */
function outcome(figures: Partial<TrialOutcome["figures"]> = {}): TrialOutcome {
  return {
    figures: {
      samples: 1_000,
      seconds: 1,
      samplesPerSecond: 1_000,
      serverCpuSecondsPerMillion: 1,
      generatorCpuSecondsPerMillion: 1,
      bytesPerSample: 10,
      ackMs: quantiles,
      serverRssPeakBytes: 1,
      lost: 0,
      duplicated: 0,
      seriesWrong: 0,
      digest: "equal",
      ...figures,
    },
    server: { kind: "ready", grpc: "", http1: "", http2: "", pragmas: { synchronous: "FULL" }, limits: "none" },
    timeline: undefined,
  };
}

async function run(
  scenario: Partial<Scenario>,
  trial: (plan: TrialPlan) => TrialOutcome,
  options: { effort?: Effort; signal?: AbortSignal } = {},
) {
  const scenarios = [{ name: "one", cells: [a, b], ...scenario }];
  const set: BenchSet = { name: "test", effort: options.effort ?? effort, scenarios };
  const asked: TrialPlan[] = [];
  const told: (readonly [number, number])[] = [];
  const runOptions: RunOptions = {
    seed: 7,
    signal: options.signal ?? neverAborted,
    onTrial: (done, total) => told.push([done, total]),
    trial: async (plan) => {
      asked.push(plan);
      return trial(plan);
    },
  };
  return { results: await new BenchRun(set, runOptions).run(), asked, told };
}

const nameOf = ({ cell }: { cell: Cell }) => (cell === a ? "a" : "b");

describe("a run", () => {
  it("interleaves its cells, A B B A, and tells the pragmas of the servers", async () => {
    const { results, asked, told } = await run({}, () => outcome());
    expect(asked.map(nameOf)).toEqual(["a", "b", "b", "a"]);
    expect(results.trials.map(({ round }) => round)).toEqual([0, 0, 1, 1]);
    expect(told).toEqual([0, 1, 2, 3].map((done) => [done, 4]));
    expect(results).toMatchObject({ seed: 7, set: "test", pragmas: { synchronous: "FULL" }, limits: "none" });
    const { versions } = results.machine;
    expect(versions["node"]).toBe(process.versions.node);
    for (const version of Object.values(versions)) expect(version).toMatch(/^\d+\.\d+\.\d+/);
  });

  it("gives all trials the same content to check", async () => {
    const { asked } = await run({}, () => outcome());
    expect(new Set(asked.map(({ baseTimeMs, seed }) => `${baseTimeMs} ${seed}`)).size).toBe(1);
  });

  it.each([
    [{ lost: 3 }, "3 samples lost"],
    [{ duplicated: 2 }, "2 counted twice"],
    [{ seriesWrong: 1 }, "1 series not as sent"],
  ])("a fast wrong answer is a failed trial: %o", async (figures, text) => {
    const { results } = await run({}, (plan) => outcome(plan.cell === a ? figures : {}));
    for (const trial of results.trials) {
      expect(trial.invalid).toEqual(trial.cell === a ? expect.stringContaining(text) : "");
    }
  });

  it("in a full run a scenario in which stored windows weigh is measured for whole cycles of theirs", async () => {
    const measured = async (isFull: boolean) => {
      const { asked } = await run({ measureMsMin: 10_000 }, () => outcome(), { effort: { ...effort, isFull } });
      return asked.map(({ measureMs }) => measureMs);
    };
    expect(await measured(false)).toEqual([10, 10, 10, 10]);
    expect(await measured(true)).toEqual([10_000, 10_000, 10_000, 10_000]);
  });

  it("goes on behind a trial that breaks, and keeps why it did", async () => {
    const { results } = await run({}, (plan) => {
      if (plan.cell === a) throw new Error("the server has ended");
      return outcome();
    });
    expect(results.trials.map((trial) => [nameOf(trial), trial.invalid])).toEqual([
      ["a", "the server has ended"],
      ["b", ""],
      ["b", ""],
      ["a", "the server has ended"],
    ]);
  });

  describe("measures the generator alone", () => {
    const durable: Cell = { ...a, durability: "process" };
    const withCeilings = async (reached: (cell: Cell, times: number) => number) => {
      const times = new Map<Cell, number>();
      const ceiling = ({ cell }: TrialPlan) => {
        times.set(cell, (times.get(cell) ?? 0) + 1);
        return outcome({ samplesPerSecond: reached(cell, times.get(cell) ?? 0) });
      };
      const trial = (plan: TrialPlan) => (plan.isNull ? ceiling(plan) : outcome());
      const done = await run({ cells: [a, durable, b] }, trial, { effort: { ...effort, ceilingRounds: 3 } });
      return { ...done, alone: done.asked.filter(({ isNull }) => isNull).map(({ cell }) => cellName(cell)) };
    };

    it("once for cells that it cannot tell apart, and doubts rates that are near its own", async () => {
      const { results, alone } = await withCeilings((cell) => (cell === b ? 1_400 : 1_600));
      expect(alone).toEqual([cellName(a), cellName(b), cellName(b), cellName(b)]);
      for (const { cell, doubt, invalid } of results.trials) {
        expect(doubt).toEqual(cell === b ? expect.stringContaining("less than 1.5 times") : "");
        expect(invalid).toBe("");
      }
    });

    it("again when it may have been the limit: the most that it reaches counts", async () => {
      const { results, alone } = await withCeilings((cell, times) => (cell === b && times === 1 ? 1_000 : 1_500));
      expect(alone).toEqual([cellName(a), cellName(b), cellName(b)]);
      expect(results.trials.filter(({ doubt }) => doubt !== "")).toEqual([]);
    });
  });

  it("offers loads as parts of what the cell reaches in this run", async () => {
    const scenario = { loads: [0.5, 0.8], arrival: "poisson" as const, subscribe: true };
    const reached = new Map([
      [a, 8_000],
      [b, 2_000],
    ]);
    const { asked, results } = await run(scenario, ({ cell }) => outcome({ samplesPerSecond: reached.get(cell) ?? 0 }));
    const open = asked.filter(({ openLoop }) => openLoop !== undefined);
    expect(open.map((plan) => [nameOf(plan), plan.openLoop?.samplesPerSecond])).toEqual([
      ["a", 4_000],
      ["b", 1_000],
      ["a", 6_400],
      ["b", 1_600],
    ]);
    expect(results.trials.map(({ load }) => load)).toEqual([
      undefined,
      undefined,
      undefined,
      undefined,
      0.5,
      0.5,
      0.8,
      0.8,
    ]);
    expect(open.every(({ openLoop, subscribe }) => openLoop?.arrival === "poisson" && subscribe)).toBe(true);
  });

  it("ended early, keeps what there is", async () => {
    const ending = new AbortController();
    const trial = () => {
      ending.abort();
      return outcome();
    };
    const { results, asked } = await run({}, trial, { signal: ending.signal });
    expect(asked).toHaveLength(1);
    expect(results.trials).toHaveLength(1);
    expect(results.set).toBe("test, ended early");
  });
});
