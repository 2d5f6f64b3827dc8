import { systemClock } from "../../lib/base/clock.ts";
import { errorMessage } from "../../lib/base/errors.ts";
import { type Cell, cellName } from "../cell.ts";
import type { Effort, Figures, Results, Timeline, Trial } from "../results.ts";
import { commit, machine } from "./machine.ts";
import type { BenchSet, Scenario } from "./scenarios.ts";
import { runTrial, type TrialOutcome, type TrialPlan } from "./trial.ts";
import { ceilingKey, ceilingRatioMin, judged, medianRate } from "./verdicts.ts";

export interface RunOptions {
  readonly seed: number;
  /** Ends the run early: what was measured until then is kept. */
  readonly signal: AbortSignal;
  /** Told before each trial. */
  readonly onTrial?: (done: number, total: number, text: string) => void;
  /** `runTrial`, unless a test has another. */
  readonly trial?: typeof runTrial;
}

/** The server's work of the closed loop before is done by then. */
const leadInMs = 1_000;
/** Quantiles far out need more samples than rates. */
const openLoopTimes = 2;

/** Runs the scenarios of a set, one after the other. */
export class BenchRun {
  readonly #set: BenchSet;
  readonly #options: RunOptions;
  readonly #trials: Trial[] = [];
  readonly #timelines: Timeline[] = [];
  readonly #ceilings = new Map<string, number>();
  readonly #baseTimeMs = systemClock.nowMs();
  #server: TrialOutcome["server"] | undefined;
  #done = 0;

  constructor(set: BenchSet, options: RunOptions) {
    this.#set = set;
    this.#options = options;
  }

  async run(): Promise<Results> {
    const startMs = systemClock.elapsedMs();
    const { name, effort, scenarios } = this.#set;
    const { seed, signal } = this.#options;
    for (const scenario of scenarios) if (!signal.aborted) await this.#runScenario(scenario);
    return {
      format: 1,
      machine: machine(),
      commit: commit(),
      seed,
      startedAt: new Date(this.#baseTimeMs).toISOString(),
      seconds: (systemClock.elapsedMs() - startMs) / 1_000,
      set: `${name}${signal.aborted ? ", ended early" : ""}`,
      effort,
      pragmas: this.#server?.pragmas ?? {},
      limits: this.#server?.limits ?? "",
      trials: judged(this.#trials, effort.ceilingRounds === 0 ? undefined : this.#ceilings),
      timelines: this.#timelines,
      micro: [],
    };
  }

  async #runScenario(scenario: Scenario): Promise<void> {
    const { effort } = this.#set;
    for (let round = 0; round < effort.rounds; round += 1) {
      for (const cell of inTurn(scenario.cells, round)) await this.#measure(scenario, cell, round, undefined);
    }
    for (const cell of scenario.cells) await this.#measureCeiling(scenario, cell, effort);
    const loaded = (scenario.loads ?? []).flatMap((load) => scenario.cells.map((cell) => ({ load, cell })));
    for (let round = 0; round < loadRounds(scenario, effort); round += 1) {
      for (const { load, cell } of inTurn(loaded, round)) await this.#measure(scenario, cell, round, load);
    }
  }

  /** @param load part of what the cell reaches in a closed loop; undefined: a closed loop */
  async #measure(scenario: Scenario, cell: Cell, round: number, load: number | undefined) {
    const { effort } = this.#set;
    const measureMs = measureMsOf(scenario, effort) * (load === undefined ? 1 : openLoopTimes);
    const plan: TrialPlan = { ...this.#planOf(cell), warmUpMs: effort.warmUpMs, measureMs };
    const open = load === undefined ? undefined : this.#openLoop(scenario, cell, load);
    if (load !== undefined && open === undefined) return;
    const { name, subscribe = false, timeline = false } = scenario;
    const text = `${name}: ${cellName(cell)}${load === undefined ? "" : `, ${load * 100} % load`}`;
    const trial = { scenario: name, cell, round, ...(load !== undefined && { load }) };
    try {
      const outcome = await this.#trial(text, {
        ...plan,
        ...(open !== undefined && { openLoop: open, subscribe, timeline }),
      });
      if (outcome === undefined) return;
      this.#server ??= outcome.server;
      this.#trials.push({ ...trial, figures: outcome.figures, invalid: contentFault(outcome.figures), doubt: "" });
      if (outcome.timeline !== undefined) this.#timelines.push({ scenario: name, cell, ...outcome.timeline });
    } catch (error) {
      this.#trials.push({ ...trial, figures: noFigures, invalid: errorMessage(error), doubt: "" });
    }
  }

  /** A bound, so the most that the generator reaches counts, and that it is high enough is enough to know. */
  async #measureCeiling(scenario: Scenario, cell: Cell, { warmUpMs, measureMs, ceilingRounds }: Effort): Promise<void> {
    const key = ceilingKey(cell);
    const needed = ceilingRatioMin * (medianRate(this.#closed((trial) => ceilingKey(trial.cell) === key)) ?? 0);
    const plan = { ...this.#planOf(cell), warmUpMs, measureMs, isNull: true };
    for (let round = 0; round < ceilingRounds && !((this.#ceilings.get(key) ?? 0) >= needed); round += 1) {
      const text = `${scenario.name}: generator alone, ${cellName(cell)}`;
      // A ceiling that cannot be measured leaves its trials without one, which the report shows.
      const outcome = await this.#trial(text, plan).catch(() => undefined);
      const reached = Math.max(this.#ceilings.get(key) ?? 0, outcome?.figures.samplesPerSecond ?? 0);
      if (reached > 0) this.#ceilings.set(key, reached);
    }
  }

  #closed(which: (trial: Trial) => boolean): Trial[] {
    return this.#trials.filter((trial) => trial.load === undefined && which(trial));
  }

  async #trial(text: string, plan: TrialPlan): Promise<TrialOutcome | undefined> {
    const { signal, onTrial, trial = runTrial } = this.#options;
    if (signal.aborted) return undefined;
    onTrial?.(this.#done, Math.max(trialCount(this.#set), this.#done + 1), text);
    this.#done += 1;
    try {
      return await trial(plan, signal);
    } catch (error) {
      if (signal.aborted) return undefined;
      throw error;
    }
  }

  #planOf(cell: Cell) {
    return { cell, seed: this.#options.seed, baseTimeMs: this.#baseTimeMs, isNull: false };
  }

  #openLoop({ name, arrival = "constant" }: Scenario, cell: Cell, load: number): TrialPlan["openLoop"] {
    const median = medianRate(this.#closed((trial) => trial.scenario === name && trial.cell === cell));
    return median === undefined ? undefined : { arrival, samplesPerSecond: median * load, leadInMs };
  }
}

/** Trials of a set, about: a generator that may have been the limit is measured again. */
export function trialCount({ effort, scenarios }: BenchSet): number {
  let count = 0;
  const ceilings = new Set<string>();
  for (const scenario of scenarios) {
    const { cells, loads = [] } = scenario;
    count += cells.length * (effort.rounds + loads.length * loadRounds(scenario, effort));
    for (const cell of cells) ceilings.add(ceilingKey(cell));
  }
  return count + Math.min(effort.ceilingRounds, 1) * ceilings.size;
}

/** Latency at a load has many samples in each trial. */
function loadRounds({ timeline = false }: Scenario, { rounds }: Effort): number {
  return timeline ? 1 : Math.ceil(rounds / 2);
}

/** A B B A: whatever drifts meets both. */
function inTurn<T>(all: readonly T[], round: number): readonly T[] {
  return round % 2 === 0 ? all : all.toReversed();
}

function measureMsOf({ measureMsMin = 0 }: Scenario, { measureMs, isFull }: Effort): number {
  return isFull ? Math.max(measureMs, measureMsMin) : measureMs;
}

/** A fast wrong answer is a failed trial. */
function contentFault({ lost, duplicated, seriesWrong }: Figures): string {
  if (lost + duplicated + seriesWrong === 0) return "";
  return `the content is wrong: ${lost} samples lost, ${duplicated} counted twice, ${seriesWrong} series not as sent`;
}

const noQuantiles = { p50: 0, p90: 0, p99: 0, p999: 0, max: 0 };
const noFigures: Figures = {
  samples: 0,
  seconds: 0,
  samplesPerSecond: 0,
  serverCpuSecondsPerMillion: 0,
  generatorCpuSecondsPerMillion: 0,
  bytesPerSample: 0,
  ackMs: noQuantiles,
  serverRssPeakBytes: 0,
  lost: 0,
  duplicated: 0,
  seriesWrong: 0,
  digest: "",
};
