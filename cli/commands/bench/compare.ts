import { Argument, type Command } from "@commander-js/extra-typings";
import { compareResults } from "../../../bench/report/comparison.ts";
import { comparisonText } from "../../../bench/report/comparison-text.ts";
import { readResults } from "../../../bench/report/results-file.ts";
import { jsonSetting } from "../../options.ts";
import { printJson, printLine } from "../../terminal.ts";

export function addCompare(bench: Command): void {
  bench
    .command("compare")
    .description("what changed from one run to another: ratios with their 95 % intervals, ~ where they span 1")
    .addArgument(new Argument("<before>", "results.json of a run"))
    .addArgument(new Argument("<after>", "results.json of another"))
    .addOption(jsonSetting())
    .addHelpText(
      "after",
      `
Cells that both runs have are compared, trial by trial; those that only one has are listed. Runs on other machines,
versions or settings are compared as well, with a warning: then the machine is part of the ratio.

Examples:
  $ tidemark bench compare before/results.json after/results.json`,
    )
    .action((before, after, { json }) => {
      const comparison = compareResults(readResults(before), readResults(after));
      if (json) printJson(comparison);
      else printLine(comparisonText(comparison));
    });
}
