import type { Command } from "@commander-js/extra-typings";
import { cellName } from "../../../bench/cell.ts";
import { microNames } from "../../../bench/micro/run.ts";
import { summaryMarkdown } from "../../../bench/report/markdown.ts";
import { writeReports } from "../../../bench/report/write-reports.ts";
import type { MicroTrial, Results } from "../../../bench/results.ts";
import { microTrials } from "../../../bench/run/micro.ts";
import { BenchRun, trialCount } from "../../../bench/run/run.ts";
import { type BenchSet, benchSet, type Effort, scenarioNames, scenarioOf } from "../../../bench/run/scenarios.ts";
import { invalidField } from "../../../lib/base/errors.ts";
import { exitCode } from "../../exit.ts";
import { untilInterrupted } from "../../interrupt.ts";
import { duration, integer, jsonSetting, list, setting } from "../../options.ts";
import { Progress } from "../../progress.ts";
import { log, printJson, printLine } from "../../terminal.ts";

const microPrefix = "micro-";

export function addRun(bench: Command): void {
  bench
    .command("run", { isDefault: true })
    .description("measure, check what was stored, and write results.json, summary.md and report.html")
    .addOption(setting("--quick", "the headline, the waterfall and latencies (what is run unless another is chosen)"))
    .addOption(setting("--full", "everything: one factor at a time from two anchor cells").conflicts("quick"))
    .addOption(
      setting("--smoke", "each way once, for seconds: shows that it works, and no figure").conflicts(["quick", "full"]),
    )
    .addOption(
      setting("--scenario <name>", `one of ${allScenarios().join(", ")}; can be given more than once`)
        .argParser((text: string, before: string[] | undefined) => list(checkedScenario(text), before))
        .conflicts(["quick", "full", "smoke"]),
    )
    .addOption(setting("--out <dir>", "where results go").default("./bench-results"))
    .addOption(setting("--rounds <n>", "trials of each cell").argParser(integer("--rounds", 1, 100)))
    .addOption(setting("--measure <duration>", "how long a trial is measured").argParser(duration("--measure")))
    .addOption(
      setting("--seed <n>", "equal seeds give equal samples")
        .argParser(integer("--seed", 0, Number.MAX_SAFE_INTEGER))
        .default(1),
    )
    .addOption(jsonSetting())
    .addHelpText(
      "after",
      `
Each trial is a server and a generator in fresh processes, on an empty database in the temporary directory. All ways
share pipeline, store and fsync; the cells of a scenario take turns. The generator is measured alone as well, and the
rate of a trial in which it may have been the limit does not count. After each trial what was stored is held against what was
sent: a fast wrong answer is a failed trial, and makes the exit code 1. Ctrl-C ends early and keeps what there is.
Run nothing else meanwhile.

Examples:
  $ tidemark bench --quick
  $ tidemark bench --scenario waterfall --rounds 5 --out ./waterfall
  $ tidemark bench --smoke --json`,
    )
    .action(async ({ out, json, seed, ...options }) => {
      const results = await run(chosenSet(options), options.scenario ?? [], seed);
      const files = writeReports(results, out);
      const invalid = results.trials.filter((trial) => trial.invalid !== "");
      for (const trial of invalid) log.warn(`${trial.scenario}, ${cellName(trial.cell)}: ${trial.invalid}`);
      if (json) printJson({ trials: results.trials.length, invalid: invalid.length, files });
      else printLine(summaryMarkdown(results));
      log.info(`written: ${files.join(", ")}`);
      if (invalid.length > 0) process.exitCode = exitCode.failed;
    });
}

interface Choice {
  readonly full?: boolean | undefined;
  readonly smoke?: boolean | undefined;
  readonly scenario?: readonly string[] | undefined;
  readonly rounds?: number | undefined;
  readonly measure?: number | undefined;
}

function chosenSet({ full = false, smoke = false, scenario, rounds, measure }: Choice): BenchSet {
  const named = scenario?.filter((name) => !name.startsWith(microPrefix)).map(scenarioOf);
  const base = benchSet(full ? "full" : smoke ? "smoke" : "quick");
  const effort: Effort = {
    ...base.effort,
    ...(rounds !== undefined && { rounds }),
    ...(measure !== undefined && { measureMs: measure }),
  };
  return { name: scenario?.join(" ") ?? base.name, effort, scenarios: named ?? base.scenarios };
}

async function run(set: BenchSet, chosen: readonly string[], seed: number): Promise<Results> {
  const signal = untilInterrupted();
  let state: readonly [number, string] = [0, ""];
  const progress = new Progress(trialCount(set), () => state);
  const onTrial = (done: number, total: number, text: string) => {
    state = [done, text];
    if (!process.stderr.isTTY) log.info(`${done + 1} of ${total}: ${text}`);
  };
  const results = await new BenchRun(set, { seed, signal, onTrial }).run();
  progress.stop();
  const micro: MicroTrial[] = [];
  for (const name of microNames.filter((name) => set.name === "full" || chosen.includes(`${microPrefix}${name}`))) {
    if (signal.aborted) break;
    log.info(`${microPrefix}${name}`);
    micro.push(...(await microTrials(name, signal)));
  }
  return { ...results, micro };
}

function allScenarios(): string[] {
  return [...scenarioNames, ...microNames.map((name) => `${microPrefix}${name}`)];
}

function checkedScenario(name: string): string {
  if (allScenarios().includes(name)) return name;
  throw invalidField("--scenario", `is ${JSON.stringify(name)}`, `choose one of ${allScenarios().join(", ")}`);
}
