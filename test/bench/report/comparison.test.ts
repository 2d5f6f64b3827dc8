import { describe, expect, it } from "vitest";
import { compareResults } from "../../../bench/report/comparison.ts";
import { comparisonText } from "../../../bench/report/comparison-text.ts";
import { mainFigures } from "../../../bench/report/figure.ts";
import type { Figures, Results } from "../../../bench/results.ts";
import { benchResults } from "../support/results.ts";

const headline = { scenarios: ["headline"] };

/** With other figures. */
function changed(results: Results, change: (figures: Figures) => Partial<Figures>): Results {
  const trials = results.trials.map((trial) => ({ ...trial, figures: { ...trial.figures, ...change(trial.figures) } }));
  return { ...results, trials };
}

describe("a comparison", () => {
  const a = benchResults(headline);

  it("has every main figure of every cell that is in both", () => {
    const { rows } = compareResults(a, benchResults({ ...headline, seed: 2 }));
    expect(new Set(rows.map(({ figure }) => figure))).toEqual(new Set(mainFigures.map(({ name }) => name)));
    expect(rows).toHaveLength(8 * mainFigures.length);
  });

  it("shows no difference between a run and itself", () => {
    const comparison = compareResults(a, a);
    expect(comparison.warnings).toEqual([]);
    expect(comparison.rows.filter(({ differs }) => differs)).toEqual([]);
    for (const { ratio } of comparison.rows) expect(ratio.value).toBeCloseTo(1, 12);
    expect([...comparison.onlyInA, ...comparison.onlyInB]).toEqual([]);
  });

  it("is of B to A", () => {
    const b = changed(a, (figures) => ({ serverCpuSecondsPerMillion: 3 * figures.serverCpuSecondsPerMillion }));
    for (const { figure, ratio, differs, a: before, b: after } of compareResults(a, b).rows) {
      expect(differs).toBe(figure.startsWith("server CPU"));
      expect(ratio.value).toBeCloseTo(differs ? 3 : 1, 9);
      expect(after / before).toBeCloseTo(differs ? 3 : 1, 9);
    }
  });

  it("knows a cell whatever it was measured for", () => {
    const b = { ...a, trials: a.trials.map((trial) => ({ ...trial, scenario: "waterfall" })) };
    expect(compareResults(a, b).onlyInA).toEqual([]);
  });

  it("does not compare what was overloaded on purpose, or is invalid", () => {
    const trials = a.trials.map((trial, i) =>
      i % 2 === 0 ? { ...trial, scenario: "backpressure" } : { ...trial, invalid: "too slow" },
    );
    const comparison = compareResults(a, { ...a, trials });
    expect(comparison.rows).toEqual([]);
    expect(comparison.onlyInA).toHaveLength(8);
    expect(comparison.warnings).toEqual(["B has 20 invalid trials, which are left out"]);
    expect(comparisonText(comparison)).toContain("nothing to compare");
  });

  it("lists cells and arms that are in one only", () => {
    const b = benchResults({ scenarios: ["tls", "micro"] });
    const { onlyInA, onlyInB } = compareResults(a, b);
    expect(onlyInA).toContain("http1 json-rows 10x1");
    expect(onlyInB).toContain("grpc-stream protobuf-columns 100x1 tls");
    expect(onlyInB).toContain("journal, fsync: 10 KiB");
  });

  it("holds loads apart", () => {
    const latency = benchResults({ scenarios: ["latency"] });
    const { rows } = compareResults(latency, latency);
    expect(rows).toHaveLength(10 * mainFigures.length);
    // A load is a part of what each run reaches: of a slower one it is less.
    const slower = changed(latency, ({ offeredPerSecond = 0 }) => ({ offeredPerSecond: offeredPerSecond / 3 }));
    expect(compareResults(latency, slower)).toMatchObject({ onlyInA: [], onlyInB: [] });
    const others = { ...latency, trials: latency.trials.map((trial) => ({ ...trial, load: (trial.load ?? 0) / 2 })) };
    expect(compareResults(latency, others).onlyInA.length).toBeGreaterThan(5);
  });

  it("compares micro benchmarks", () => {
    const micro = benchResults({ scenarios: ["micro"] });
    const faster = micro.micro.map((trial) =>
      trial.arm === "fromBinary" ? { ...trial, nanosecondsPerUnit: trial.nanosecondsPerUnit / 2 } : trial,
    );
    const { rows } = compareResults(micro, { ...micro, micro: faster });
    expect(rows.map(({ figure, name, differs }) => [figure, name, differs])).toContainEqual([
      "ns per sample",
      "codec, batches of 100: fromBinary",
      true,
    ]);
    expect(rows.filter(({ differs }) => differs)).toHaveLength(1);
  });

  it("has no interval where a side has one trial", () => {
    const comparison = compareResults(a, benchResults({ ...headline, rounds: 1 }));
    for (const { ratio, differs } of comparison.rows) {
      expect(ratio).not.toHaveProperty("low");
      expect(differs).toBe(false);
    }
    expect(comparisonText(comparison)).toMatch(/http1 json-rows 10x1 .* \?$/m);
  });

  it.each<[warning: string, b: Results]>([
    [
      "machine cpuModel differs: Example CPU @ 2.80GHz in A, other in B",
      { ...a, machine: { ...a.machine, cpuModel: "other" } },
    ],
    ["machine cpus differs: 2 in A, 8 in B", { ...a, machine: { ...a.machine, cpus: 8 } }],
    [
      "version of node differs: 24.21.0 in A, 25.0.0 in B",
      { ...a, machine: { ...a.machine, versions: { ...a.machine.versions, node: "25.0.0" } } },
    ],
    ["pragma synchronous differs: FULL in A, OFF in B", { ...a, pragmas: { ...a.pragmas, synchronous: "OFF" } }],
    ["pragma mmap_size differs: none in A, 1 in B", { ...a, pragmas: { ...a.pragmas, mmap_size: "1" } }],
    ["limits differs: ", { ...a, limits: "none" }],
    ["seed differs: 1 in A, 2 in B", { ...a, seed: 2 }],
  ])("warns: %s", (warning, b) => {
    const comparison = compareResults(a, b);
    expect(comparison.warnings).toHaveLength(1);
    expect(comparison.warnings[0]).toContain(warning);
    expect(comparisonText(comparison)).toContain(`warning: ${warning}`);
  });

  it("is plain data", () => {
    const comparison = compareResults(a, benchResults({ ...headline, seed: 2 }));
    expect(JSON.parse(JSON.stringify(comparison))).toEqual(comparison);
  });
});

describe("its text", () => {
  const all = benchResults({ rounds: 3 });
  const text = comparisonText(
    compareResults(
      all,
      changed(all, ({ ackMs }) => ({ ackMs: { ...ackMs, p99: 2 * ackMs.p99 } })),
    ),
  );

  it("fits 120 columns", () => {
    for (const line of text.split("\n")) expect(line.length, line).toBeLessThanOrEqual(120);
  });

  it("marks what was not shown to differ, and nothing else", () => {
    const tables = text.split("\n\n");
    // Without long names, which have lines of their own.
    const linesOf = (figure: string) =>
      (tables.find((table) => table.trim().startsWith(figure)) ?? "")
        .trim()
        .split("\n")
        .slice(1)
        .filter((line) => / {2,}\d/.test(line));
    expect(linesOf("ack p50 ms").length).toBeGreaterThan(50);
    expect(linesOf("ack p50 ms").filter((line) => !line.endsWith("~"))).toEqual([]);
    expect(linesOf("ack p99 ms").some((line) => !line.endsWith("~"))).toBe(true);
  });

  it("puts a long name on a line of its own", () => {
    const long = {
      ...all,
      micro: [{ suite: "x".repeat(90), arm: "y", round: 0, unit: "z", nanosecondsPerUnit: 1 }],
      trials: [],
    };
    expect(comparisonText(compareResults(long, long))).toMatch(/^x{90}: y\n {60} +1\.00 /m);
  });
});
