import { readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { encodingOf, mergedSketch, quantileErrors, sketchOf } from "./plain-sketch.ts";

/** Real recordings are kept outside the repository; `test/system/nab.test.ts` says when they are missing. */
const nabDir = process.env["NAB_DATA_DIR"];
const recordedFile = fileURLToPath(new URL("../data/recorded.csv", import.meta.url));
const nabFiles =
  nabDir === undefined ? [] : readdirSync(nabDir).flatMap((name) => (name.endsWith(".csv") ? join(nabDir, name) : []));

const columns = [recordedFile, ...nabFiles].flatMap((file) => {
  const [head, ...rows] = readFileSync(file, "utf8").trim().split(/\r?\n/);
  return head
    .split(",")
    .slice(1)
    .map((metric, i) => {
      const cells = rows.map((row) => row.split(",")[i + 1]).filter((cell) => cell !== "");
      return { name: `${basename(file, ".csv")} ${metric}`, values: Float64Array.from(cells, Number) };
    });
});

describe.each(columns)("a sketch of $name", ({ values }) => {
  it("has quantiles within 1 %", () => {
    expect(values.length).toBeGreaterThan(100);
    expect(quantileErrors(sketchOf(values), values)).toEqual([]);
  });

  it("is that of its hours, merged", () => {
    // Every five minutes a sample.
    const hours = Array.from({ length: Math.ceil(values.length / 12) }, (_, i) => values.subarray(12 * i, 12 * i + 12));
    expect(encodingOf(mergedSketch(...hours.map(sketchOf)))).toBe(encodingOf(sketchOf(values)));
  });
});
