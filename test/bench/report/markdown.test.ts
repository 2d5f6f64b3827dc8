import { describe, expect, it } from "vitest";
import { cellOf } from "../../../bench/cell.ts";
import { summaryMarkdown } from "../../../bench/report/markdown.ts";
import type { Figures, Results, Trial } from "../../../bench/results.ts";
import type { ServerProcess } from "../../../bench/run/server-process.ts";
import { TimelineRecorder } from "../../../bench/run/timeline.ts";
import { benchResults, digest } from "../support/results.ts";

const scenarios = [
  ["headline", "gRPC streams against JSON over HTTP/1.1"],
  ["waterfall", "Which step brings what"],
  ["batch-size", "Samples per batch"],
  ["ways", "Every way in, with the same batches"],
  ["gzip", "Bytes per sample"],
  ["tls", "One factor at a time"],
  ["latency", "Latency against offered load"],
  ["backpressure", "Backpressure over time"],
  ["micro", "Parts by themselves"],
] as const;

/** The cells of the first row that begins with a name, after a heading or caption. */
function rowOf(markdown: string, after: string, name: string): string[] {
  const from = markdown.indexOf(after);
  expect(from, after).toBeGreaterThanOrEqual(0);
  const row = markdown
    .slice(from)
    .split("\n")
    .find((line) => line.startsWith(`| ${name} |`));
  return (row ?? "")
    .split("|")
    .slice(1, -1)
    .map((cell) => cell.trim());
}

function sectionTitles(markdown: string): string[] {
  return [...markdown.matchAll(/^## (.*)$/gm)].map(([, title]) => title);
}

/** Figures by round, found without the code under test. */
function byRound(
  { trials }: Results,
  scenario: string,
  way: string,
  samples: number,
  batches: number,
  of: (f: Figures) => number,
) {
  return trials
    .filter((trial) => trial.scenario === scenario && trial.cell.way === way)
    .filter(({ cell }) => cell.encoding === (way === "http1" ? "json-rows" : "protobuf-columns"))
    .filter(({ cell }) => cell.batchSamples === samples && cell.batchesPerMessage === batches)
    .sort((a, b) => a.round - b.round)
    .map(({ figures }) => of(figures));
}

/** Of five pairs: 2.776 is Student's t of four degrees of freedom. */
function ratioOfFive(of: readonly number[], against: readonly number[]): string {
  const logs = of.map((value, i) => Math.log(value / against[i]));
  const mean = logs.reduce((a, b) => a + b) / 5;
  const error = Math.sqrt(logs.reduce((sum, log) => sum + (log - mean) ** 2, 0) / 4 / 5);
  const [value, low, high] = [0, -2.776445, 2.776445].map((t) => Math.exp(mean + t * error).toPrecision(3));
  return `${value} (${low} to ${high})`;
}

const middle = (values: readonly number[]) => [...values].sort((a, b) => a - b)[2];
const cpu = (figures: Figures) => figures.serverCpuSecondsPerMillion;
const rate = (figures: Figures) => figures.samplesPerSecond;

/** Some trials as they would be otherwise. */
function withTrials(results: Results, change: (trial: Trial, index: number) => Trial): Results {
  return { ...results, trials: results.trials.map(change) };
}

describe("summary.md", () => {
  const results = benchResults();
  const markdown = summaryMarkdown(results);

  it("begins with the conditions", () => {
    expect(sectionTitles(markdown)[0]).toBe("Conditions");
    const conditions = markdown.slice(0, markdown.indexOf("The main figure is"));
    for (const part of [
      "Example CPU @ 2.80GHz",
      "node 24.21.0",
      "synchronous FULL",
      "f81fa35",
      "2026-03-04",
      "90 min",
      "seed | 1",
    ]) {
      expect(conditions).toContain(part);
    }
  });

  it.each([
    [10, 1],
    [10, 16],
    [100, 16],
    [1_000, 1],
  ])("holds streams of %d x %d against JSON with as many samples per request", (samples, batches) => {
    const of = (figure: (f: Figures) => number) => ({
      json: byRound(results, "headline", "http1", samples * batches, 1, figure),
      ours: byRound(results, "headline", "grpc-stream", samples, batches, figure),
    });
    const [costs, rates] = [of(cpu), of(rate)];
    expect(costs.json).toHaveLength(5);
    const row = rowOf(markdown, "The ratios", `${samples}x${batches}`);
    expect(row[2]).toBe(ratioOfFive(costs.json, costs.ours));
    expect(row[5]).toBe(ratioOfFive(rates.ours, rates.json));
    const ours = rowOf(markdown, "Server CPU s per million samples", `${samples}x${batches}, gRPC stream`);
    const { min, max } = { min: Math.min(...costs.ours), max: Math.max(...costs.ours) };
    const [value, low, high] = [middle(costs.ours), min, max].map((each) => each.toPrecision(3));
    expect(ours[1]).toBe(`${value} (${low} to ${high})`);
  });

  it("has a waterfall whose steps are held against the one before and the first", () => {
    const first = byRound(results, "waterfall", "http1", 10, 1, cpu);
    const named = byRound(results, "waterfall", "grpc-named-stream", 10, 1, cpu);
    const handles = byRound(results, "waterfall", "grpc-stream", 10, 1, cpu);
    const row = rowOf(markdown, "**Batches of 10 samples: server CPU", "7. registered handles instead of names");
    expect(row[1]).toContain(middle(handles).toPrecision(3));
    expect(row.slice(2)).toEqual([ratioOfFive(named, handles), ratioOfFive(first, handles)]);
  });

  it("says plainly that messages of the last step are larger", () => {
    expect(markdown).toContain("In the last step the samples per message grow by 16, from 10 to 160");
  });

  it("calls a step that costs more worse", () => {
    expect(rowOf(markdown, "**Batches of 10 samples: server CPU", "4. HTTP/2 instead of HTTP/1.1")[2]).toMatch(
      /^0\.\d+ .*, worse$/,
    );
  });

  it("says how sure an interval is with as many trials as there were", () => {
    expect(markdown).toContain("with 5 trials in 93.75 % of the cases");
    expect(summaryMarkdown(benchResults({ rounds: 3 }))).toContain("with 3 trials in 75 % of the cases");
  });

  it("tells sizes by encoding, raw and gzipped", () => {
    expect(rowOf(markdown, "## Bytes per sample", "JSON rows over HTTP/1.1")[1]).toBe("62.6");
    expect(rowOf(markdown, "## Bytes per sample", "JSON rows over HTTP/1.1, gzipped").slice(1)).toEqual([
      "27.2",
      "43.5 %",
    ]);
  });

  it("holds a factor against its usual value", () => {
    const row = rowOf(markdown, "**Compression of requests: gRPC StreamBatches", "none");
    expect(row[2]).toBe("");
    expect(rowOf(markdown, "**Compression of requests: gRPC StreamBatches", "gzip")[2]).toMatch(/^1\.\d+ \(1\./);
  });

  it("tells connections apart by what is in flight, and holds them against the usual ones", () => {
    const rows = (wire: string) => {
      const [, table] = markdown.split(`**Connections: ${wire}, batches of 100**`);
      return table
        .split("\n\n")[1]
        .split("\n")
        .slice(2)
        .map((line) => line.split(" | "))
        .map(([name, , ratio]) => [name.replace("| ", ""), ratio === ""]);
    };
    expect(rows("JSON rows over HTTP/1.1")).toEqual([
      ["1 connection, 1 in flight", false],
      ["8 connections, 8 in flight", false],
      ["64 connections, 64 in flight", true],
    ]);
    expect(rows("gRPC StreamBatches")).toEqual([
      ["1 connection, 1 in flight", false],
      ["8 connections, 8 in flight", false],
      ["1 connection, 64 in flight", false],
      ["4 connections, 64 in flight", true],
      ["8 connections, 64 in flight", false],
      ["64 connections, 64 in flight", false],
    ]);
  });

  it("says what else changes with HTTP/2, and which names small batches carry", () => {
    expect(markdown).toContain(
      "64 connections become 4, and the load generator changes from autocannon to our own client. What is compared is the server's CPU",
    );
    expect(markdown).toContain(
      "At 1 sample per batch, protobuf columns with names carry all 10 metric names of their device, and JSON columns one",
    );
  });

  it("tells what servers did over time, by the columns of their timelines", () => {
    const columns = new TimelineRecorder({} as ServerProcess).columns;
    expect(results.timelines[0].columns).toEqual(columns);
    for (const column of columns.slice(1)) {
      expect(rowOf(markdown, "## Backpressure over time", column).slice(1)).toEqual(
        Array(3).fill(expect.stringMatching(/^\d/)),
      );
    }
  });

  it("tells the digest, and that nothing was lost", () => {
    expect(markdown).toContain(`equal in all ${results.trials.length} trials that have one: ${digest}.`);
    expect(markdown).toContain("0 samples lost, 0 counted twice, 0 series");
    expect(markdown).toContain("No trial is invalid.");
  });

  it("has lines of a table that are tables", () => {
    for (const table of markdown
      .trim()
      .split("\n\n")
      .filter((part) => part.startsWith("| "))) {
      const widths = table
        .trim()
        .split("\n")
        .map((line) => line.split(" | ").length);
      expect(new Set(widths).size, table).toBe(1);
    }
  });
});

describe("summary.md of less", () => {
  it.each(scenarios)("has no section of %s when it was not measured", (scenario, title) => {
    const others = scenarios.map(([name]) => name).filter((name) => name !== scenario);
    const left = others.filter(
      (name) => !(scenario === "gzip" && name === "ways") && !(scenario === "tls" && name === "gzip"),
    );
    const titles = sectionTitles(summaryMarkdown(benchResults({ rounds: 1, scenarios: left })));
    expect(titles).not.toContain(title);
    expect(sectionTitles(summaryMarkdown(benchResults({ rounds: 1, scenarios: [scenario] })))).toContain(title);
  });

  it("is whole when nothing was measured at all", () => {
    const markdown = summaryMarkdown(benchResults({ scenarios: [] }));
    expect(sectionTitles(markdown)).toEqual(["Conditions", "Content check"]);
    expect(markdown).toContain("There are no trials.");
  });

  it("has no intervals with one trial of each cell, and says so", () => {
    const markdown = summaryMarkdown(benchResults({ rounds: 1 }));
    expect(markdown).toContain("There is one trial of each cell, and so no interval.");
    expect(markdown).toMatch(
      /At 10 samples per batch, a gRPC stream needs .* times less .*\(one pair: no interval\)\./,
    );
    expect(markdown).not.toMatch(/\d to \d.*\) ~/);
  });

  it("leaves invalid trials out of every figure, and says why", () => {
    const results = benchResults({ scenarios: ["headline"] });
    const spoiled = withTrials(results, (trial) =>
      trial.round === 0 && trial.cell.way === "grpc-stream"
        ? {
            ...trial,
            figures: { ...trial.figures, serverCpuSecondsPerMillion: 1e6 },
            invalid: "the generator was the limit",
          }
        : trial,
    );
    const markdown = summaryMarkdown(spoiled);
    expect(markdown).not.toContain("1,000,000");
    expect(markdown).toContain("| trials | 40, of which 4 invalid |");
    expect(rowOf(markdown, "Invalid trials", "grpc-stream protobuf-columns 10x1").slice(1)).toEqual([
      "headline",
      "0",
      "the generator was the limit",
    ]);
    // Four pairs are left: t of three degrees of freedom.
    expect(markdown).toContain("with 4 trials in 87.5 % of the cases");
  });

  it("leaves out rates and times where the generator may have been the limit, and tells what it has cost", () => {
    const results = withTrials(benchResults({ scenarios: ["waterfall"] }), (trial) =>
      trial.cell.way === "http2" ? { ...trial, doubt: "it reaches too little" } : trial,
    );
    const markdown = summaryMarkdown(results);
    const [, , , cost, rate, bytes, ackP50, ackP99] = rowOf(markdown, "Medians of", "http2 protobuf-columns 10x1");
    expect([rate, ackP50, ackP99]).toEqual(["-", "-", "-"]);
    for (const each of [cost, bytes]) expect(each).toMatch(/^\d/);
    expect(markdown).not.toContain("Without a valid trial");
    expect(rowOf(markdown, "Trials whose rates", "http2 protobuf-columns 10x1").at(-1)).toBe("it reaches too little");
  });

  it("shows - for freshness where a trial has none", () => {
    const results = withTrials(benchResults({ scenarios: ["latency"], rounds: 2 }), (trial) => {
      const { freshnessMs: _, ...figures } = trial.figures;
      return { ...trial, figures };
    });
    const [, table] = summaryMarkdown(results).split("**Ack latency and freshness: ");
    const [head, , ...rows] = table
      .split("\n\n")[1]
      .split("\n")
      .map((line) => line.split("|").map((cell) => cell.trim()));
    expect(head.slice(-3)).toEqual(["freshness p50 ms", "freshness p99 ms", ""]);
    expect(rows.length).toBeGreaterThan(3);
    for (const row of rows.filter(({ length }) => length > 1)) {
      expect(row.slice(-4)).toEqual([expect.stringMatching(/^\d/), "-", "-", ""]);
    }
  });

  it("leaves out a cell that has no valid trial", () => {
    const results = withTrials(benchResults({ scenarios: ["waterfall"] }), (trial) =>
      trial.cell.way === "http2" ? { ...trial, invalid: "it crashed" } : trial,
    );
    const markdown = summaryMarkdown(results);
    expect(markdown).toContain("Without a valid trial, and passed over: HTTP/2 instead of HTTP/1.1.");
    expect(rowOf(markdown, "**Batches of 10", "4. gRPC, unary")[2]).toMatch(/^0\.\d+ /);
  });

  it("says no pairs where rounds do not meet", () => {
    const results = withTrials(benchResults({ scenarios: ["headline"], rounds: 2 }), (trial) =>
      trial.cell.way === "http1" ? { ...trial, round: trial.round + 2 } : trial,
    );
    expect(rowOf(summaryMarkdown(results), "The ratios", "10x1")[2]).toBe("no pairs");
  });

  it("reads as a loss where streams lose", () => {
    const results = withTrials(benchResults({ scenarios: ["headline"] }), (trial) => {
      const factor = trial.cell.way === "grpc-stream" ? 20 : 1;
      const cost = trial.figures.serverCpuSecondsPerMillion * factor;
      return { ...trial, figures: { ...trial.figures, serverCpuSecondsPerMillion: cost } };
    });
    const markdown = summaryMarkdown(results);
    expect(markdown).toMatch(
      /At 10 samples per batch, a gRPC stream needs \d\.\d+ times more server CPU than JSON rows/,
    );
    expect(rowOf(markdown, "The ratios", "10x1")[2]).toMatch(/^0\.\d+ .*, worse$/);
  });

  it("cries out when digests differ or samples are wrong", () => {
    const results = withTrials(benchResults({ scenarios: ["tls"], rounds: 2 }), (trial, i) =>
      i === 3 ? { ...trial, figures: { ...trial.figures, digest: "deadbeef", lost: 7, seriesWrong: 1 } } : trial,
    );
    const markdown = summaryMarkdown(results);
    expect(markdown).toContain("THE DIGESTS DIFFER");
    expect(markdown).toContain("deadbeef in 1 ");
    expect(markdown).toContain("7 samples lost, 0 counted twice, 1 series");
    expect(markdown).toContain("7 / 0 / 1");
  });

  it("makes no markup of what comes from data", () => {
    const results = benchResults({ scenarios: ["tls"], rounds: 1 });
    const [trial] = results.trials;
    const invalid = "a | b\n# c <img src=x onerror=alert(1)> `d` [e](f)";
    const markdown = summaryMarkdown({ ...results, trials: [{ ...trial, invalid }] });
    expect(markdown).toContain("a \\| b \\# c \\<img src=x onerror=alert(1)\\> \\`d\\` \\[e\\](f)");
    expect(rowOf(markdown, "Invalid trials", "grpc-stream protobuf-columns 100x1").length).toBeGreaterThan(0);
  });

  it("makes pairs of equal rounds when a round has several trials of a cell", () => {
    const results = benchResults({ scenarios: ["headline"], rounds: 2 });
    const doubled = { ...results, trials: results.trials.flatMap((trial) => [trial, trial]) };
    const row = (of: Results) => rowOf(summaryMarkdown(of), "The ratios", "10x1")[2];
    expect(row(doubled)).toBe(row(results));
  });

  it("tells apart cells that differ in devices and metrics only", () => {
    const results = benchResults({ scenarios: ["series"], rounds: 2 });
    const wide = results.trials.map((trial) => ({
      ...trial,
      cell: cellOf({ ...trial.cell, devices: 128, metrics: 5 }),
    }));
    const markdown = summaryMarkdown({ ...results, trials: [...results.trials, ...wide.slice(0, 1)] });
    expect(markdown.match(/grpc-stream protobuf-columns 100x1 \| series/g)).toHaveLength(2);
  });
});
