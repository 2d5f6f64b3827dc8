import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { cellName, ways } from "../../bench/cell.ts";
import { readResults } from "../../bench/report/results-file.ts";
import type { Results } from "../../bench/results.ts";
import { benchSet } from "../../bench/run/scenarios.ts";
import { temporaryDirectory, tidemark } from "../system/support/cli.ts";

/** The whole of it, in real processes: servers, generators, and what is written of it. */
describe("bench --smoke", () => {
  let results: Results;

  it("ends with 0 and writes results, summary and report", { timeout: 180_000 }, async () => {
    const out = await temporaryDirectory();
    const { code, stdout, stderr } = await tidemark(["bench", "--smoke", "--json", "--out", out]);
    expect({ code, stderr }).toMatchObject({ code: 0 });
    const told = JSON.parse(stdout) as { trials: number; invalid: number; files: string[] };
    expect(told).toMatchObject({ trials: benchSet("smoke").scenarios[0].cells.length, invalid: 0 });
    for (const file of told.files) expect(readFileSync(file, "utf8").length).toBeGreaterThan(1_000);
    results = readResults(join(out, "results.json"));
  });

  it("has a trial of every way, with content as it was sent", () => {
    expect(new Set(results.trials.map(({ cell }) => cell.way))).toEqual(new Set(ways));
    for (const { cell, figures, invalid } of results.trials) {
      expect({ cell: cellName(cell), invalid }).toEqual({ cell: cellName(cell), invalid: "" });
      expect(figures).toMatchObject({ lost: 0, duplicated: 0, seriesWrong: 0 });
      expect(figures.samples).toBeGreaterThan(0);
      expect(figures.serverCpuSecondsPerMillion).toBeGreaterThan(0);
    }
  });

  it("finds the same aggregates of the same samples by every way, encoding and batch size", () => {
    const digests = new Set(results.trials.map(({ figures }) => figures.digest));
    expect([...digests]).toEqual([expect.stringMatching(/^[0-9a-f]{64}$/)]);
  });

  it("counts what went over the wire: rows with names take more than columns, and gzip less than plain", () => {
    const bytes = (name: string) =>
      results.trials.find(({ cell }) => cellName(cell) === name)?.figures.bytesPerSample ?? Number.NaN;
    const [jsonRows, jsonColumns, protobufRows] = ["json-rows", "json-columns", "protobuf-rows"].map((encoding) =>
      bytes(`http1 ${encoding} 10x1 16 slots`),
    );
    expect(jsonRows).toBeGreaterThan(jsonColumns);
    expect(jsonRows).toBeGreaterThan(protobufRows);
    expect(bytes("grpc-stream protobuf-columns 10x1 16 slots 2 connections")).toBeLessThan(jsonColumns / 2);
  });
});
