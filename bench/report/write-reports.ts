import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Results } from "../results.ts";
import { reportHtml } from "./html/page.ts";
import { summaryMarkdown } from "./markdown.ts";
import { writeResults } from "./results-file.ts";

/**
 * Writes `results.json`, `summary.md` and `report.html` into a directory, which is made if it is not there.
 * @returns their paths, in this order
 * @throws the file system's errors
 */
export function writeReports(results: Results, outDir: string): string[] {
  mkdirSync(outDir, { recursive: true });
  const [json, markdown, html] = ["results.json", "summary.md", "report.html"].map((name) => join(outDir, name));
  // The trials first: the others can be made again from them.
  writeResults(results, json);
  writeFileSync(markdown, summaryMarkdown(results));
  writeFileSync(html, reportHtml(results));
  return [json, markdown, html];
}
