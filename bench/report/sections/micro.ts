import type { MicroTrial, Results } from "../../results.ts";
import { medianOf } from "../median.ts";
import { ratioText, significant, withInterval } from "../number.ts";
import { pairedRatio } from "../ratio.ts";
import { paragraph, type Section, sectionOf, type Table } from "../section.ts";

/** Parts of the server by themselves. */
export function micro(results: Results): Section | undefined {
  const suites = Map.groupBy(results.micro, ({ suite, unit }) => JSON.stringify([suite, unit]));
  return sectionOf("micro", "Parts by themselves", [
    paragraph(
      "Loops in one process, the arms of a suite in turn. Ratios are to the suite's first arm: less than 1 is faster.",
    ),
    ...[...suites.values()].map(tableOf),
  ]);
}

function tableOf(trials: readonly MicroTrial[]): Table {
  const [{ suite, unit }] = trials;
  const arms = [...Map.groupBy(trials, ({ arm }) => arm)];
  const [[firstName, first]] = arms;
  const inNs = arms.map(([, each]) => medianOf(each.map(({ nanosecondsPerUnit }) => nanosecondsPerUnit)));
  const [time, ns] = inNs.every(({ value }) => value >= 10_000) ? ["us", 1_000] : ["ns", 1];
  return {
    kind: "table",
    caption: `${suite}: ${time} per ${unit}`,
    columns: ["arm", `${time} per ${unit}`, `against ${firstName}`],
    rows: arms.map(([arm, each], i) => [
      arm,
      withInterval(inNs[i], (value) => significant(value / ns)),
      i === 0 ? "" : ratioText(pairedRatio(pairsOf(each, first))),
    ]),
    bars: inNs,
  };
}

/** Rounds of both. */
function pairsOf(of: readonly MicroTrial[], against: readonly MicroTrial[]): [number, number][] {
  return of.flatMap(({ round, nanosecondsPerUnit }) => {
    const other = against.find((trial) => trial.round === round);
    return other === undefined ? [] : [[nanosecondsPerUnit, other.nanosecondsPerUnit] satisfies [number, number]];
  });
}
