import type { Results } from "../../results.ts";
import { measuredCells } from "../measured-cell.ts";
import { medianOf } from "../median.ts";
import { percent } from "../number.ts";

/** What a reader must know of the figures, in a few sentences. */
export function howToRead(results: Results): string[] {
  return [
    "The main figure is the CPU time of the server's process, all its threads, per million samples that it settled: less " +
      "is better. Samples/s and ack times of a closed loop are with the server at its limit, on a machine that the load " +
      "generator shares; latency has an open loop of its own.",
    `Each figure is the median of its valid trials. ${confidenceText(results)}`,
    "Ratios are made within rounds, of trials that ran next to each other: the geometric mean, with the 95 % interval of " +
      "Student's t on their logarithms. ~ marks an interval that has 1 in it: no difference was shown. Many ratios are " +
      "told here: of 20 that are none, one will look like one.",
  ];
}

/** How sure the intervals of medians are, with as many trials as there were. */
function confidenceText(results: Results): string {
  const scenarios = [...new Set(results.trials.map(({ scenario }) => scenario))];
  const sizes = scenarios.flatMap((name) => measuredCells(results, name)).map(({ trials }) => trials.length);
  const counts = [...new Set(sizes)].sort((a, b) => a - b);
  if (counts.every((count) => count < 2)) return "There is one trial of each cell, and so no interval.";
  const each = counts
    .filter((count) => count > 1)
    .map((count) => {
      const { confidence } = medianOf(Array.from({ length: count }, (_, i) => i));
      return `with ${count} trials in ${percent(confidence)} of the cases`;
    });
  const single = counts.includes(1) ? " A single trial has none." : "";
  return `Its interval goes from one of the trials to another, and covers the true median ${each.join(", ")}.${single}`;
}
