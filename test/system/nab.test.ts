import { readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { record } from "../data/record.ts";
import { serverOfFile } from "../support/server.ts";
import { checkout, jsonLines, tidemark } from "./support/cli.ts";
import { byMetricAndStart, type PlainWindow, plainWindows } from "./support/plain-windows.ts";

/** Real recordings are kept outside the repository: `.ci/run` names their folder. */
const nabDir = process.env["NAB_DATA_DIR"];
const nabFiles = nabDir === undefined ? [] : csvFilesOf(nabDir);
const recordedFile = join(checkout, "test/data/recorded.csv");
const files = [recordedFile, ...nabFiles];

if (nabDir === undefined) {
  // biome-ignore lint/suspicious/noConsole: whoever runs the tests is to know what was not run
  console.warn("skipped: the NAB recordings, because NAB_DATA_DIR is not set to their folder; recorded.csv is tested");
}

interface Row extends PlainWindow {
  readonly device: string;
  readonly tier: string;
  readonly mean: number;
}

const tiers = { "1h": 3_600_000, "1d": 86_400_000 };
const deviceOf = (file: string) => basename(file, ".csv");
const server = serverOfFile();
const rowsOfTier = new Map<string, Row[]>();
let replayed: unknown;

beforeAll(async () => {
  const { stdout, stderr, code } = await tidemark(["replay", ...files, "--address", server().address, "--json"]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  replayed = JSON.parse(stdout);
  const range = ["--from", "0001-01-01T00:00:00Z", "--to", "9999-12-31T00:00:00Z", "--format", "ndjson"];
  for (const tier of Object.keys(tiers)) {
    const queried = await tidemark(["query", "--address", server().address, ...range, "--tier", tier]);
    expect({ code: queried.code, stderr: queried.stderr }).toEqual({ code: 0, stderr: "" });
    rowsOfTier.set(tier, jsonLines<Row>(queried.stdout));
  }
});

describe.each(files)("replayed and queried, %s", (file) => {
  const text = readFileSync(file, "utf8");

  it.each(Object.entries(tiers))("has the windows of a plain computation in the tier %s", (tier, widthMs) => {
    const rows = (rowsOfTier.get(tier) ?? []).filter(({ device }) => device === deviceOf(file)).sort(byMetricAndStart);
    const plain = plainWindows(text, widthMs);
    expect(plain.length).toBeGreaterThan(0);
    expect(rows.map(exactPart)).toEqual(plain.map(exactPart));
    for (const [i, { sum, mean, count }] of rows.entries()) {
      expect(Math.abs(sum - plain[i].sum)).toBeLessThanOrEqual(1e-9 * Math.abs(plain[i].sum));
      expect(mean).toBe(sum / count);
    }
  });
});

describe("the replay", () => {
  it("says how many samples it has sent, all of them acked", () => {
    const hours = files.flatMap((file) => plainWindows(readFileSync(file, "utf8"), tiers["1h"]));
    const samples = hours.reduce((sum, { count }) => sum + count, 0);
    expect(replayed).toEqual({
      files: files.length,
      samplesSent: samples,
      samplesAcked: samples,
      samplesRejected: 0,
      badLines: 0,
    });
  });

  it.runIf(nabDir !== undefined)("finds real recordings in the folder that NAB_DATA_DIR names", () => {
    expect(nabFiles.length).toBeGreaterThan(0);
  });
});

describe("recorded.csv", () => {
  const lines = readFileSync(recordedFile, "utf8").trimEnd().split("\n").slice(1);
  const times = lines.map((line) => Date.parse(`${line.split(",")[0].replace(" ", "T")}Z`));

  it("is what its script makes", () => {
    expect(readFileSync(recordedFile, "utf8")).toBe(record());
  });

  it("has times that come twice, a step back in time, and cells without a value", () => {
    const steps = times.slice(1).map((timeMs, i) => timeMs - times[i]);
    expect(steps.filter((step) => step === 0).length).toBeGreaterThan(3);
    expect(steps.filter((step) => step < 0)).toHaveLength(1);
    expect(lines.filter((line) => /,(,|$)/.test(line)).length).toBeGreaterThan(3);
  });
});

/** All but the sum, whose rounding depends on the order of addition. */
function exactPart({ metric, windowStart, count, min, max, first, last }: PlainWindow) {
  return { metric, windowStart, count, min, max, first, last };
}

function csvFilesOf(directory: string): string[] {
  return readdirSync(directory)
    .filter((name) => name.endsWith(".csv"))
    .sort()
    .map((name) => join(directory, name));
}
