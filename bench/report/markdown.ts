import type { Results } from "../results.ts";
import { type Block, numericColumns, type Section, type Table } from "./section.ts";
import { sectionsOf } from "./sections/all.ts";
import { conditions } from "./sections/conditions.ts";
import { howToRead } from "./sections/how-to-read.ts";

/** `summary.md`: the conditions, then what the results tell. */
export function summaryMarkdown(results: Results): string {
  const sections = [conditions(results), ...sectionsOf(results)];
  const [first, ...rest] = sections.map(sectionText);
  return `${["# Benchmark results", first, ...howToRead(results).map(escaped), ...rest].join("\n\n")}\n`;
}

function sectionText({ title, blocks }: Section): string {
  return [`## ${escaped(title)}`, ...blocks.flatMap(blockText)].join("\n\n");
}

/** Charts have their figures in tables beside them. */
function blockText(block: Block): string[] {
  if (block.kind === "paragraph") return [escaped(block.text)];
  return block.kind === "table" ? [tableMarkdown(block)] : [];
}

function tableMarkdown(table: Table): string {
  const line = (cells: readonly string[]) => `| ${cells.map(escaped).join(" | ")} |`;
  const rule = `| ${numericColumns(table)
    .map((isNumeric) => (isNumeric ? "---:" : "---"))
    .join(" | ")} |`;
  return [`**${escaped(table.caption)}**`, "", line(table.columns), rule, ...table.rows.map(line)].join("\n");
}

/** What comes from data makes neither markup nor cells nor lines. */
function escaped(text: string): string {
  return text.replaceAll(/\s+/g, " ").replaceAll(/[\\`*_[\]<>|~#&]/g, (mark) => (mark === "~" ? mark : `\\${mark}`));
}
