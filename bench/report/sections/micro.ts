import type { MicroTrial, Results } from "../../results.ts";
import { medianOf } from "../median.ts";
import { ratioText, withInterval } from "../number.ts";
import { pairedRatio } from "../ratio.ts";
import { paragraph, type Section, sectionOf, type Table } from "../section.ts";

/** Parts of the server by themselves. */
export function micro(results: Results): Section | undefined {
  const suites = Map.groupBy(results.micro, ({ suite }) => suite);
  return sectionOf("micro", "Parts by themselves", [
    paragraph(
      "Loops in one process, the arms of a suite in turn. Ratios are to the suite's first arm: less than 1 is faster.",
    ),
    ...[...suites].map(([suite, trials]) => tableOf(suite, trials)),
  ]);
}

function tableOf(suite: string, trials: readonly MicroTrial[]): Table {
  const arms = [...Map.groupBy(trials, ({ arm }) => arm)];
  const [[firstName, first]] = arms;
  const medians = arms.map(([, each]) => medianOf(each.map(({ nanosecondsPerUnit }) => nanosecondsPerUnit)));
  return {
    kind: "table",
    caption: `${suite}: ns per ${trials[0].unit}`,
    columns: ["arm", `ns per ${trials[0].unit}`, `against ${firstName}`],
    rows: arms.map(([arm, each], i) => [
      arm,
      withInterval(medians[i]),
      i === 0 ? "" : ratioText(pairedRatio(pairsOf(each, first))),
    ]),
    bars: medians,
  };
}

/** Rounds of both. */
function pairsOf(of: readonly MicroTrial[], against: readonly MicroTrial[]): [number, number][] {
  return of.flatMap(({ round, nanosecondsPerUnit }) => {
    const other = against.find((trial) => trial.round === round);
    return other === undefined ? [] : [[nanosecondsPerUnit, other.nanosecondsPerUnit] satisfies [number, number]];
  });
}
