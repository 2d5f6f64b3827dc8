import { readFileSync, writeFileSync } from "node:fs";
import { errorMessage, invalidField, TelemetryError } from "../../lib/base/errors.ts";
import type { Results } from "../results.ts";
import { wrong } from "./check.ts";
import { checkResults } from "./results-check.ts";

/**
 * Reads a `results.json`.
 * @throws TelemetryError naming the file, the field, and what is wrong with it
 */
export function readResults(file: string): Results {
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(file, "utf8"));
  } catch (error) {
    throw invalidField(file, `cannot be read: ${errorMessage(error)}`, "name the results.json of a run");
  }
  try {
    return parseResults(value);
  } catch (error) {
    if (!(error instanceof TelemetryError)) throw error;
    const { status, reason, message, field } = error;
    throw new TelemetryError(status, reason, `${file}: ${message}`, field === undefined ? {} : { field });
  }
}

/** @throws TelemetryError naming the field that is wrong */
export function parseResults(value: unknown): Results {
  const { format } = (value ?? {}) as { format?: unknown };
  if (format !== 1) throw wrong(format, "format", "1: other versions of this program may read it");
  return checkResults(value, "");
}

/** One trial per line, so that two files can be told apart by eye. What is no number becomes null. */
export function writeResults(results: Results, file: string): void {
  const { trials, timelines, micro, ...about } = results;
  const lines = (name: string, each: readonly unknown[]) =>
    ` "${name}": [${each.map((one) => `\n  ${JSON.stringify(one)}`).join(",")}\n ]`;
  const head = JSON.stringify(about, null, 1).slice(0, -2);
  const lists = [lines("trials", trials), lines("timelines", timelines), lines("micro", micro)];
  writeFileSync(file, `${head},\n${lists.join(",\n")}\n}\n`);
}
