import { cellName } from "../../cell.ts";
import type { Results, Trial } from "../../results.ts";
import { type Block, paragraph, type Section, type Table } from "../section.ts";

const wrongCaption = "Trials with wrong content";

/** Whether what was counted is what was sent, and which trials do not count. */
export function content(results: Results): Section {
  const { trials } = results;
  const invalid = trials.filter((trial) => trial.invalid !== "");
  const blocks: Block[] = [paragraph(digestText(trials)), paragraph(countsText(trials))];
  const wrong = trials.filter((trial) => wrongs(trial).some((count) => count !== 0));
  if (wrong.length > 0) blocks.push(tableOf(wrongCaption, wrong, (trial) => wrongs(trial).join(" / ")));
  if (invalid.length === 0)
    blocks.push(paragraph(trials.length === 0 ? "There are no trials." : "No trial is invalid."));
  else blocks.push(tableOf("Invalid trials: no figure above has them", invalid, (trial) => trial.invalid));
  const doubtful = trials.filter((trial) => trial.doubt !== "");
  if (doubtful.length > 0) {
    blocks.push(tableOf("Trials whose rates and times no figure above has", doubtful, (trial) => trial.doubt));
  }
  return { id: "content", title: "Content check", blocks };
}

function digestText(trials: readonly Trial[]): string {
  const checked = trials.filter(({ figures }) => figures.digest !== "");
  const digests = Map.groupBy(checked, ({ figures }) => figures.digest);
  if (digests.size === 0) return "No trial has a digest of its aggregates: nothing was shown about their content.";
  const unchecked = trials.length - checked.length;
  const rest = unchecked === 0 ? "" : ` ${unchecked} further trials have none.`;
  if (digests.size === 1) {
    const [digest] = digests.keys();
    return `The digests of the aggregates are equal in all ${checked.length} trials that have one: ${digest}.${rest}`;
  }
  const each = [...digests].map(([digest, group]) => `${digest} in ${group.length} (${nameOf(group[0])} first)`);
  return `THE DIGESTS DIFFER, so that some trial counted wrongly: ${each.join("; ")}.${rest}`;
}

function countsText(trials: readonly Trial[]): string {
  const [lost, duplicated, series] = [0, 1, 2].map((i) => trials.reduce((sum, trial) => sum + wrongs(trial)[i], 0));
  return `Of all trials together: ${lost} samples lost, ${duplicated} counted twice, ${series} series with a wrong count, sum, minimum or maximum.`;
}

/** Nothing is known of a trial that failed before its check. */
function wrongs({ figures }: Trial): number[] {
  return [figures.lost, figures.duplicated, figures.seriesWrong].map((count) => (Number.isFinite(count) ? count : 0));
}

function tableOf(caption: string, trials: readonly Trial[], why: (trial: Trial) => string): Table {
  return {
    kind: "table",
    caption,
    columns: ["cell", "scenario", "round", caption === wrongCaption ? "lost / twice / series wrong" : "why"],
    rows: trials.map((trial) => [cellName(trial.cell), trial.scenario, String(trial.round), why(trial)]),
  };
}

function nameOf({ scenario, cell, round }: Trial): string {
  return `${scenario}, ${cellName(cell)}, round ${round}`;
}
