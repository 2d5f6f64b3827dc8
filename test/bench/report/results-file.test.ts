import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readResults, writeResults } from "../../../bench/report/results-file.ts";
import type { Results } from "../../../bench/results.ts";
import { TelemetryError } from "../../../lib/base/errors.ts";
import { benchResults } from "../support/results.ts";

let dir: string;
let file: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "results-"));
  file = join(dir, "results.json");
});
afterEach(() => rm(dir, { recursive: true }));

function errorOf(run: () => unknown): TelemetryError {
  try {
    run();
  } catch (error) {
    if (error instanceof TelemetryError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}

describe("results.json", () => {
  it("gives back what was written", () => {
    const results = benchResults({ rounds: 2 });
    writeResults(results, file);
    expect(readResults(file)).toEqual(results);
  });

  it("gives back empty results", () => {
    const results = { ...benchResults({ scenarios: [] }), commit: "" };
    writeResults(results, file);
    expect(readResults(file)).toEqual(results);
  });

  it("has one trial per line", async () => {
    const results = benchResults({ rounds: 1 });
    writeResults(results, file);
    const lines = (await readFile(file, "utf8")).split("\n").filter((line) => line.includes('"scenario":"headline"'));
    expect(lines).toHaveLength(results.trials.filter(({ scenario }) => scenario === "headline").length);
  });

  it("keeps figures that are no numbers in invalid trials", () => {
    const results = benchResults({ rounds: 1, scenarios: ["tls"] });
    const [trial] = results.trials;
    const figures = { ...trial.figures, serverCpuSecondsPerMillion: Number.NaN, samplesPerSecond: Number.NaN };
    const damaged = { ...results, trials: [{ ...trial, figures, invalid: "nothing was settled" }] };
    writeResults(damaged, file);
    expect(readResults(file)).toEqual(damaged);
  });

  it("leaves out what it does not know", async () => {
    const results = benchResults({ rounds: 1, scenarios: ["tls"] });
    await writeFile(file, JSON.stringify({ ...results, later: true }));
    expect(readResults(file)).toEqual(results);
  });
});

type Damage = (results: { [K in keyof Results]: Results[K] } & Record<string, unknown>) => unknown;

/** A copy whose value at a path is another. */
function changed(results: Results, path: readonly (string | number)[], value: unknown): unknown {
  const copy = structuredClone(results);
  let at = copy as unknown as Record<string | number, unknown>;
  for (const step of path.slice(0, -1)) at = at[step] as Record<string | number, unknown>;
  at[path[path.length - 1]] = value;
  return copy;
}

describe("a results.json that is refused", () => {
  const at =
    (...path: (string | number)[]) =>
    (value: unknown): Damage =>
    (results) =>
      changed(results, path, value);

  it.each<[field: string, says: string, damage: Damage]>([
    ["format", "format is 2", at("format")(2)],
    ["format", "format is missing", at("format")(undefined)],
    ["format", "format is missing", () => null],
    ["format", "format is missing", () => []],
    ["machine", "machine is missing", at("machine")(undefined)],
    ["machine.cpus", "machine.cpus is -1", at("machine", "cpus")(-1)],
    ["machine.versions.node", "is 24", at("machine", "versions", "node")(24)],
    ["commit", "commit is null", at("commit")(null)],
    ["trials", 'trials is "none"', at("trials")("none")],
    ["trials[1]", "trials[1] is null", at("trials", 1)(null)],
    ["trials[0].cell.way", "one of http1, http2", at("trials", 0, "cell", "way")("carrier pigeon")],
    ["trials[0].cell.gzip", "true or false", at("trials", 0, "cell", "gzip")("yes")],
    ["trials[0].round", "trials[0].round is 1.5", at("trials", 0, "round")(1.5)],
    [
      "trials[0].figures.serverCpuSecondsPerMillion",
      "is null; it should be a number",
      at("trials", 0, "figures", "serverCpuSecondsPerMillion")(null),
    ],
    ["trials[0].figures.ackMs.p99", 'is "fast"', at("trials", 0, "figures", "ackMs", "p99")("fast")],
    ["trials[0].figures.arrival", "is", at("trials", 0, "figures", "arrival")("never")],
    ["timelines[0].columns[0]", 'is "x"', at("timelines", 0, "columns", 0)("x")],
    ["timelines[0].rows[3]", "5 numbers, one for each column", at("timelines", 0, "rows", 3)([1, 2])],
    ["micro[0].nanosecondsPerUnit", "is missing", at("micro", 0, "nanosecondsPerUnit")(undefined)],
  ])("names %s: %s", async (field, says, damage) => {
    await writeFile(file, JSON.stringify(damage({ ...benchResults({ rounds: 1 }) })) ?? "null");
    const error = errorOf(() => readResults(file));
    expect(error.field).toBe(field);
    expect(error.message).toContain(says);
    expect(error.message).toContain(file);
  });

  it("says that a file is not there, or is no JSON", async () => {
    expect(errorOf(() => readResults(file)).message).toMatch(/results\.json cannot be read: .*ENOENT.*name the/);
    await writeFile(file, "{");
    expect(errorOf(() => readResults(file)).message).toMatch(/results\.json cannot be read: /);
  });
});
