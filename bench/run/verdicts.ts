import type { Cell } from "../cell.ts";
import type { Trial } from "../results.ts";

/** A generator reaches at least so many times of what is measured when it is not the limit (docs/benchmarks.md). */
export const ceilingRatioMin = 1.5;
/** Of the 99th percentile of its own lateness: more would be seen in the acks'. */
const generatorLateMsMax = 10;

/** Cells between which the generator cannot tell a difference have one ceiling. */
export function ceilingKey({ durability, late, ...rest }: Cell): string {
  return JSON.stringify(rest);
}

/**
 * Says which trials of a run count, when all are there. A cell's rates count together or not at all: without the fast
 * ones, for which the generator may have been the limit, the slow ones would stand for the cell.
 * @param ceilings by `ceilingKey`, in samples per second; undefined when the generator was not to be measured
 */
export function judged(trials: readonly Trial[], ceilings: ReadonlyMap<string, number> | undefined): Trial[] {
  const digest = mostFrequent(trials.map(({ figures }) => figures.digest).filter((each) => each !== ""));
  const checked = trials.map((trial) => withDigestHeld(trial, digest));
  const groups = Map.groupBy(checked, ({ scenario, cell, load }) => JSON.stringify([scenario, cell, load]));
  const doubts = new Map([...groups].map(([, group]) => [group, doubtOf(group, ceilings)]));
  const doubtful = new Map([...doubts].flatMap(([group, doubt]) => group.map((trial) => [trial, doubt])));
  return checked.map((trial) => {
    const ceilingPerSecond = ceilings?.get(ceilingKey(trial.cell));
    const figures = { ...trial.figures, ...(ceilingPerSecond !== undefined && { ceilingPerSecond }) };
    return { ...trial, figures, doubt: trial.invalid === "" ? (doubtful.get(trial) ?? "") : "" };
  });
}

/** The middle of what valid trials have reached, in samples per second; undefined when there is none. */
export function medianRate(trials: readonly Trial[]): number | undefined {
  const rates = trials.filter(({ invalid }) => invalid === "").map(({ figures }) => figures.samplesPerSecond);
  return rates.sort((a, b) => a - b)[Math.floor(rates.length / 2)];
}

/** The same samples come to the same aggregates, or somebody counts wrongly: whoever is not with most. */
function withDigestHeld(trial: Trial, digest: string | undefined): Trial {
  if (trial.invalid !== "" || trial.figures.digest === digest) return trial;
  return { ...trial, invalid: `the aggregates of the samples that all trials send have another digest than ${digest}` };
}

/** @param group trials of one cell, under one load */
function doubtOf(group: readonly Trial[], ceilings: ReadonlyMap<string, number> | undefined): string {
  const rate = medianRate(group);
  if (ceilings === undefined || rate === undefined) return "";
  const [{ cell, load }] = group;
  return load === undefined ? closedLoopDoubt(rate, ceilings.get(ceilingKey(cell))) : openLoopDoubt(group);
}

function closedLoopDoubt(rate: number, ceiling: number | undefined): string {
  if (ceiling === undefined) return "the generator alone was not measured: it may have been the limit";
  if (ceiling >= ceilingRatioMin * rate) return "";
  return `the generator alone reaches ${inMillions(ceiling)}, less than ${ceilingRatioMin} times the median of ${inMillions(rate)}: it may have been the limit`;
}

function openLoopDoubt(group: readonly Trial[]): string {
  const latest = Math.max(...group.map(({ figures }) => figures.generatorLateMs ?? 0));
  if (latest <= generatorLateMsMax) return "";
  return `the generator itself was late by up to ${latest.toFixed(1)} ms (p99)`;
}

function inMillions(perSecond: number): string {
  return `${Number((perSecond / 1e6).toPrecision(3))} M samples/s`;
}

function mostFrequent(values: readonly string[]): string | undefined {
  const groups = [...Map.groupBy(values, (value) => value)].sort(([, a], [, b]) => b.length - a.length);
  return groups[0]?.[0];
}
