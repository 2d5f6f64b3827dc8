import type { Results } from "../../results.ts";
import { significant } from "../number.ts";
import { inverse, spansOne } from "../ratio.ts";
import { type HeadlineRow, headlineRows, sentence } from "../sections/headline.ts";
import { encodingName } from "../sections/names.ts";
import { escapeHtml } from "./escape.ts";

/** What the run comes to, at the top of the page. */
export function headHtml(results: Results): string {
  const rows = headlineRows(results);
  const { startedAt, commit, machine, set, trials } = results;
  const title = rows.length > 0 ? sentence(rows[0]) : `${trials.length} trials of the set ${set}`;
  const when = startedAt.slice(0, 16).replace("T", " ");
  const about = [`${when} UTC`, commit && `commit ${commit}`, `${machine.cpus} x ${machine.cpuModel}`, `set ${set}`];
  return `<header>
<p class="brand">Tidemark benchmark</p>
<h1>${escapeHtml(title)}</h1>
<p class="meta">${escapeHtml(about.filter(Boolean).join(" \u00b7 "))}</p>
${checkHtml(results)}
<ul class="tiles">${rows.map(tileHtml).join("")}</ul>
</header>`;
}

function tileHtml({ ours, json, cpu }: HeadlineRow): string {
  const { batchSamples, batchesPerMessage } = ours.cell;
  const batches = batchesPerMessage === 1 ? "" : `, ${batchesPerMessage} batches per message`;
  const against = `${batchSamples} samples per batch${batches}, against ${encodingName(json.cell.encoding)}`;
  if (cpu === undefined) return `<li class="level"><b>-</b><span>${escapeHtml(against)}: no pairs</span></li>`;
  const isLess = cpu.value >= 1;
  const isLevel = cpu.low !== undefined && spansOne(cpu);
  const { value, low, high } = isLess || isLevel ? cpu : inverse(cpu);
  const kind = isLevel ? "level" : isLess ? "less" : "worse";
  const number = isLevel
    ? "~ <small>no difference shown</small>"
    : `${significant(value)}&times; <small>${isLess ? "less" : "MORE"} CPU</small>`;
  const interval =
    low === undefined || high === undefined
      ? "one pair: no interval"
      : `95 % interval ${significant(low)} to ${significant(high)}${isLevel ? " times less" : ""}`;
  return `<li class="${kind}"><b>${number}</b><span>${escapeHtml(against)}</span><span>${escapeHtml(interval)}</span></li>`;
}

/** One line that says whether the figures are to be believed. */
function checkHtml({ trials }: Results): string {
  const invalid = trials.filter((trial) => trial.invalid !== "").length;
  const digests = new Set(trials.map(({ figures }) => figures.digest).filter((digest) => digest !== ""));
  const wrong = trials.filter(({ figures: { lost, duplicated, seriesWrong } }) =>
    [lost, duplicated, seriesWrong].some((count) => count > 0),
  );
  const texts = [
    `${trials.length} trials, ${invalid} invalid`,
    wrong.length === 0 ? "0 samples lost or counted twice" : `WRONG CONTENT in ${wrong.length} trials`,
    digests.size === 0 ? "no digest" : digests.size === 1 ? "all digests equal" : "DIGESTS DIFFER",
  ];
  const isGood = wrong.length === 0 && digests.size === 1;
  return `<p class="check${isGood ? "" : " failed"}"><a href="#content">${escapeHtml(texts.join(", "))}</a></p>`;
}
