import { cellName } from "../../cell.ts";
import type { Figures, Results } from "../../results.ts";
import { ackP50, ackP99, ackP999, bytes, cpu, type Figure, rss, throughput } from "../figure.ts";
import { type MeasuredCell, measuredCells } from "../measured-cell.ts";
import { large, significant } from "../number.ts";
import { paragraph, type Section, sectionOf } from "../section.ts";
import { figureIntervalText, figureText } from "./names.ts";

const generatorCpu: Figure = {
  name: "generator's CPU s per million samples",
  head: "generator CPU s per M",
  of: (figures: Figures) => figures.generatorCpuSecondsPerMillion,
  format: significant,
};
const ceiling: Figure = {
  name: "generator's ceiling, samples/s",
  head: "generator's ceiling, samples/s",
  of: ({ ceilingPerSecond }: Figures) => ceilingPerSecond ?? Number.NaN,
  format: large,
};

/** Everything, for reference. */
export function allCells(results: Results): Section | undefined {
  const scenarios = [...new Set(results.trials.map(({ scenario }) => scenario))];
  const measured = scenarios.flatMap((scenario) => measuredCells(results, scenario));
  if (measured.length === 0) return undefined;
  const figures = [bytes, ackP50, ackP99, ackP999, rss, generatorCpu, ceiling];
  const names = ["cell", "scenario", "valid trials", cpu.head, throughput.head, ...figures.map(({ head }) => head)];
  return sectionOf("cells", "Every cell", [
    paragraph(
      "A cell is named by way, encoding and samples per batch x batches per message, then what is not as usual.",
    ),
    {
      kind: "table",
      caption: "Medians of the valid trials, with intervals",
      columns: names,
      rows: measured.map((each) => [
        nameOf(each),
        each.scenario,
        String(each.trials.length),
        figureIntervalText(each, cpu),
        figureIntervalText(each, throughput),
        ...figures.map((figure) => figureText(each, figure)),
      ]),
      isLong: true,
    },
  ]);
}

function nameOf({ cell, arrival, offeredPerSecond }: MeasuredCell): string {
  return offeredPerSecond === undefined
    ? cellName(cell)
    : `${cellName(cell)}, ${arrival ?? "constant"} arrivals, ${large(offeredPerSecond)}/s`;
}
