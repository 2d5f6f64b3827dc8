import type { Line, LineChart } from "../section.ts";
import { escapeHtml } from "./escape.ts";

/** As many as `style.ts` has. */
const colors = 8;
const dashes = 3;

/** The place of a line chart with its legend; `charts.js` draws into it. @param index of the chart in the page's data */
export function chartHtml({ caption, x, y, lines }: LineChart, index: number): string {
  const label = `${caption}: ${y.label} against ${x.label}. The table below has the figures.`;
  return (
    `<figure class="chart"><figcaption>${escapeHtml(caption)}<small>${escapeHtml(y.label)} against ` +
    `${escapeHtml(x.label)}</small></figcaption>` +
    `<div class="plot" data-chart="${index}" role="img" aria-label="${escapeHtml(label)}"></div>` +
    `<ul class="legend" data-legend="${index}">${lines.map(legendHtml).join("")}</ul></figure>`
  );
}

function legendHtml(line: Line): string {
  const { color, dash } = lookOf(line);
  return (
    `<li><svg class="c${color} d${dash}" width="26" height="10" aria-hidden="true"><path d="M0 5h26"/>` +
    `<circle cx="13" cy="5" r="3"/></svg>${escapeHtml(line.label)}<output></output></li>`
  );
}

/** What the page's script draws, without texts that it does not show. */
export function chartData({ x, y, lines }: LineChart) {
  const xs = [...new Set(lines.flatMap(({ points }) => points.map((point) => point.x)))].sort((a, b) => a - b);
  const rows = lines.map(({ points }) => new Map(points.map((point) => [point.x, point])));
  return {
    x,
    y,
    xs,
    lines: lines.map((line, i) => ({
      ...lookOf(line),
      values: xs.map((at) => rows[i].get(at)?.value ?? null),
      lows: xs.map((at) => rows[i].get(at)?.low ?? null),
      highs: xs.map((at) => rows[i].get(at)?.high ?? null),
    })),
  };
}

function lookOf({ color, dash }: Line) {
  return { color: color % colors, dash: (dash + Math.floor(color / colors)) % dashes };
}
