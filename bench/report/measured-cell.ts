import type { Cell } from "../cell.ts";
import type { Figures, Quantiles, Results, Trial } from "../results.ts";
import { type Median, medianOf } from "./median.ts";
import { pairedRatio, type Ratio } from "./ratio.ts";

/** All trials of one cell under one load that were made for one scenario. */
export interface MeasuredCell {
  readonly scenario: string;
  readonly cell: Cell;
  /** Open loop: what was offered, and how it came. */
  readonly offeredPerSecond: number | undefined;
  readonly arrival: Figures["arrival"];
  /** Valid ones only, at least one. */
  readonly trials: readonly Trial[];
}

/** The trials whose figures count, without those of their figures that do not: they are NaN. */
export function countingTrials({ trials }: Results): Trial[] {
  return trials
    .filter(({ invalid }) => invalid === "")
    .map((trial) => {
      const isClosed = trial.load === undefined;
      const figures = { ...trial.figures, ackMs: notCounted, ...(isClosed && { samplesPerSecond: Number.NaN }) };
      return trial.doubt === "" ? trial : { ...trial, figures };
    });
}

const notCounted: Quantiles = { p50: Number.NaN, p90: Number.NaN, p99: Number.NaN, p999: Number.NaN, max: Number.NaN };

/** What is looked at in a trial; NaN where it was not measured. */
export type Pick = (figures: Figures) => number;

/** In the order in which they first occur; cells without a valid trial are left out. */
export function measuredCells(results: Results, scenario: string): MeasuredCell[] {
  const trials = countingTrials(results).filter((trial) => trial.scenario === scenario);
  return [...Map.groupBy(trials, loadKey).values()].map((group) => {
    const [{ cell, figures }] = group;
    return { scenario, cell, offeredPerSecond: figures.offeredPerSecond, arrival: figures.arrival, trials: group };
  });
}

/** Equal for trials of one cell under one load, which is a part of what the cell reaches in its run. */
export function loadKey({ cell, load, figures: { arrival } }: Trial): string {
  return `${cellKey(cell)} ${load === undefined ? "closed" : `${arrival} ${load}`}`;
}

/** Equal for equal cells only. */
export function cellKey(cell: Cell): string {
  const { way, encoding, batchSamples, batchesPerMessage, slots, connections, devices, metrics } = cell;
  const { durability, gzip, tls, late } = cell;
  const numbers = [batchSamples, batchesPerMessage, slots, connections, devices, metrics, late];
  return [way, encoding, ...numbers, durability, gzip, tls].join(" ");
}

/** Undefined where it was not measured. */
export function medianIn({ trials }: MeasuredCell, pick: Pick): Median | undefined {
  const values = trials.map(({ figures }) => pick(figures)).filter(Number.isFinite);
  return values.length === 0 ? undefined : medianOf(values);
}

/** Trials of equal rounds make a pair; several of a round, their geometric mean. */
export function ratioIn(of: MeasuredCell, against: MeasuredCell, pick: Pick): Ratio | undefined {
  const [ofRounds, againstRounds] = [byRound(of, pick), byRound(against, pick)];
  return pairedRatio(
    [...ofRounds].flatMap(([round, value]) => {
      const other = againstRounds.get(round);
      return other === undefined ? [] : [[value, other] as const];
    }),
  );
}

function byRound({ trials }: MeasuredCell, pick: Pick): Map<number, number> {
  const rounds = Map.groupBy(trials, ({ round }) => round);
  return new Map(
    [...rounds].map(([round, each]) => {
      const logs = each.map(({ figures }) => Math.log(pick(figures))).filter(Number.isFinite);
      return [round, Math.exp(logs.reduce((sum, log) => sum + log, 0) / logs.length)];
    }),
  );
}
