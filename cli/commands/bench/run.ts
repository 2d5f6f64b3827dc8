import type { Command } from "@commander-js/extra-typings";
import { cellName } from "../../../bench/cell.ts";
import { type MicroName, microNames } from "../../../bench/micro/run.ts";
import { summaryMarkdown } from "../../../bench/report/markdown.ts";
import { writeReports } from "../../../bench/report/write-reports.ts";
import type { Effort, MicroTrial, Results } from "../../../bench/results.ts";
import { microTrials } from "../../../bench/run/micro.ts";
import { BenchRun, trialCount } from "../../../bench/run/run.ts";
import { type BenchSet, benchSet, scenarioNames, scenarioOf } from "../../../bench/run/scenarios.ts";
import { errorMessage, invalidField } from "../../../lib/base/errors.ts";
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
sent: a fast wrong answer is a failed trial. Then the exit code is 1, and so it is when Ctrl-C has ended it early: what
there is until then is kept.
Run nothing else meanwhile.

Examples:
  $ tidemark bench --quick
  $ tidemark bench --scenario waterfall --rounds 5 --out ./waterfall
  $ tidemark bench --smoke --json`,
    )
    .action(async ({ out, json, seed, scenario = [], ...options }) => {
      const signal = untilInterrupted();
      const set = chosenSet(scenario, options);
      const results = await runTrials(set, seed, signal);
      // Before the rest: two hours of trials are not to be lost.
      writeReports(results, out);
      const names = microNames.filter((name) => set.name === "full" || scenario.includes(`${microPrefix}${name}`));
      const { micro, failures } = await runMicros(names, signal);
      const whole = { ...results, micro };
      const files = writeReports(whole, out);
      const invalid = results.trials.filter((trial) => trial.invalid !== "");
      for (const trial of invalid) log.warn(`${trial.scenario}, ${cellName(trial.cell)}: ${trial.invalid}`);
      for (const failure of failures) log.warn(failure);
      if (json) printJson({ trials: results.trials.length, invalid: invalid.length, files });
      else printLine(summaryMarkdown(whole));
      log.info(`written: ${files.join(", ")}`);
      if (invalid.length + failures.length > 0 || signal.aborted) process.exitCode = exitCode.failed;
    });
}

interface Choice {
  readonly full?: boolean | undefined;
  readonly smoke?: boolean | undefined;
  readonly rounds?: number | undefined;
  readonly measure?: number | undefined;
}

function chosenSet(names: readonly string[], { full = false, smoke = false, rounds, measure }: Choice): BenchSet {
  const base = benchSet(full ? "full" : smoke ? "smoke" : "quick");
  const effort: Effort = {
    ...base.effort,
    ...(rounds !== undefined && { rounds }),
    ...(measure !== undefined && { measureMs: measure }),
  };
  if (names.length === 0) return { ...base, effort };
  const scenarios = names.filter((name) => !name.startsWith(microPrefix)).map(scenarioOf);
  return { name: names.join(" "), effort, scenarios };
}

async function runTrials(set: BenchSet, seed: number, signal: AbortSignal): Promise<Results> {
  let state: readonly [number, string] = [0, ""];
  const progress = new Progress(trialCount(set), () => state);
  const onTrial = (done: number, total: number, text: string) => {
    state = [done, text];
    if (!process.stderr.isTTY) log.info(`${done + 1} of ${total}: ${text}`);
  };
  const results = await new BenchRun(set, { seed, signal, onTrial }).run();
  progress.stop();
  return results;
}

/** @returns also why some are missing */
async function runMicros(names: readonly MicroName[], signal: AbortSignal) {
  const micro: MicroTrial[] = [];
  const failures: string[] = [];
  for (const name of names) {
    log.info(`${microPrefix}${name}`);
    try {
      micro.push(...(await microTrials(name, signal)));
    } catch (error) {
      failures.push(`${microPrefix}${name}: ${errorMessage(error)}`);
    }
  }
  return { micro, failures };
}

function allScenarios(): string[] {
  return [...scenarioNames, ...microNames.map((name) => `${microPrefix}${name}`)];
}

function checkedScenario(name: string): string {
  if (allScenarios().includes(name)) return name;
  throw invalidField("--scenario", `is ${JSON.stringify(name)}`, `choose one of ${allScenarios().join(", ")}`);
}
