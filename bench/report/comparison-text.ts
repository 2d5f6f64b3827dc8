import type { ComparedFigure, Comparison } from "./comparison.ts";
import { mainFigures } from "./figure.ts";
import { significant } from "./number.ts";

/** A, B, B/A, its interval, and the mark; with the name and the spaces between them a line has 117 characters. */
const widths = [10, 10, 8, 18, 1];
const nameWidth = 60;

/** A table for each figure, in lines of at most 120 characters but for names that are longer than that. */
export function comparisonText(comparison: Comparison): string {
  const { warnings, rows, onlyInA, onlyInB } = comparison;
  const tables = [...Map.groupBy(rows, ({ figure }) => figure)].map(([figure, each]) =>
    [headText(figure), ...each.flatMap(rowText)].join("\n"),
  );
  return [
    ...warnings.map((warning) => `warning: ${warning}`),
    ...(rows.length === 0 ? ["nothing to compare: no cell has valid trials in both"] : []),
    ...tables.map((table) => `\n${table}`),
    ...listText("only in A", onlyInA),
    ...listText("only in B", onlyInB),
    ...(rows.length === 0 ? [] : [`\n${legend}`]),
  ].join("\n");
}

const legend = "~ no difference shown: the 95 % interval of B/A has 1 in it. ? a single trial on a side: no interval.";

function headText(figure: string): string {
  return line(figure, ["A", "B", "B/A", "95 % interval", ""]);
}

function rowText({ figure, name, a, b, ratio, differs }: ComparedFigure): string[] {
  const { format } = mainFigures.find((each) => each.name === figure) ?? { format: significant };
  const { value, low, high } = ratio;
  const [interval, mark] =
    low === undefined || high === undefined
      ? ["", "?"]
      : [`${significant(low)} to ${significant(high)}`, differs ? "" : "~"];
  const cells = [format(a), format(b), significant(value), interval, mark];
  return name.length <= nameWidth ? [line(name, cells)] : [name, line("", cells)];
}

function line(name: string, cells: readonly string[]): string {
  return [name.padEnd(nameWidth), ...cells.map((cell, i) => cell.padStart(widths[i]))].join("  ").trimEnd();
}

function listText(title: string, names: readonly string[]): string[] {
  return names.length === 0 ? [] : [`\n${title}`, ...names.map((name) => `  ${name}`)];
}
