import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { Results } from "../../results.ts";
import type { LineChart, Section } from "../section.ts";
import { sectionsOf } from "../sections/all.ts";
import { conditions } from "../sections/conditions.ts";
import { howToRead } from "../sections/how-to-read.ts";
import { chartData, chartHtml } from "./chart.ts";
import { escapeHtml, escapeJson } from "./escape.ts";
import { headHtml } from "./head.ts";
import { style } from "./style.ts";
import { tableHtml } from "./table.ts";

const { resolve } = createRequire(import.meta.url);

/** `report.html`: one file that needs no other, and asks for none. */
export function reportHtml(results: Results): string {
  const sections = [...sectionsOf(results), conditions(results)];
  const charts: LineChart[] = [];
  const body = sections.map((section) => sectionHtml(section, charts)).join("\n");
  const uplot = readFileSync(resolve("uplot/dist/uPlot.iife.min.js"), "utf8");
  const draw = readFileSync(new URL("./charts.js", import.meta.url), "utf8");
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policyOf(uplot, draw)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Tidemark benchmark, ${escapeHtml(results.startedAt.slice(0, 10))}</title>
<link rel="icon" href="data:,">
<style>${readFileSync(resolve("uplot/dist/uPlot.min.css"), "utf8")}${style}</style>
</head>
<body>
${headHtml(results)}
<main>
${contentsHtml(sections)}
${howToReadHtml(results)}
${body}
</main>
<footer>Made by <code>tidemark bench</code>; every trial is in results.json.</footer>
<script type="application/json" id="charts">${escapeJson(charts.map(chartData))}</script>
<script>${uplot}</script>
<script type="module">${draw}</script>
</body>
</html>
`;
}

/** Nothing from outside, and no script but these two, whatever the data holds. Bars are inline styles. */
function policyOf(...scripts: readonly string[]): string {
  const hashes = scripts.map((script) => `'sha256-${createHash("sha256").update(script).digest("base64")}'`);
  return (
    `default-src 'none'; script-src ${hashes.join(" ")}; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; ` +
    "form-action 'none'"
  );
}

/** @param charts gets the section's charts, in the order of their places */
function sectionHtml({ id, title, blocks }: Section, charts: LineChart[]): string {
  const parts = blocks.map((block) => {
    if (block.kind === "paragraph") return `<p>${escapeHtml(block.text)}</p>`;
    if (block.kind === "table") return tableHtml(block);
    charts.push(block);
    return chartHtml(block, charts.length - 1);
  });
  return `<section id="${escapeHtml(id)}"><h2>${escapeHtml(title)}</h2>\n${parts.join("\n")}\n</section>`;
}

function contentsHtml(sections: readonly Section[]): string {
  const links = sections.map(({ id, title }) => `<li><a href="#${escapeHtml(id)}">${escapeHtml(title)}</a></li>`);
  return `<nav aria-label="Contents"><ul>${links.join("")}</ul></nav>`;
}

function howToReadHtml(results: Results): string {
  const paragraphs = howToRead(results).map((text) => `<p>${escapeHtml(text)}</p>`);
  return (
    `<details class="how" open data-open><summary>How to read this</summary>${paragraphs.join("")}` +
    "<noscript><p>Line charts need JavaScript; the tables have all their figures.</p></noscript></details>"
  );
}
