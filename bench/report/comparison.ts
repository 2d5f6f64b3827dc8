import { cellName } from "../cell.ts";
import type { MicroTrial, Results, Trial } from "../results.ts";
import { mainFigures } from "./figure.ts";
import { countingTrials, loadKey } from "./measured-cell.ts";
import { medianOf } from "./median.ts";
import { percent } from "./number.ts";
import { type Ratio, spansOne, welchRatio } from "./ratio.ts";

/** What has changed from one run to another. Plain data: it can be written as JSON. */
export interface Comparison {
  /** Why the two may not be like and like. */
  readonly warnings: readonly string[];
  /** By figure, then by cell. */
  readonly rows: readonly ComparedFigure[];
  /** Cells and arms with valid trials in one of the two only. */
  readonly onlyInA: readonly string[];
  readonly onlyInB: readonly string[];
}

export interface ComparedFigure {
  /** With its unit. */
  readonly figure: string;
  /** Cell, or suite and arm. */
  readonly name: string;
  /** Medians. */
  readonly a: number;
  readonly b: number;
  /** B/A of geometric means, with its 95 % interval. */
  readonly ratio: Ratio;
  /** Its interval does not have 1 in it. */
  readonly differs: boolean;
}

/** Compares cells whatever they were measured for; those of a server that is overloaded on purpose are left out. */
export function compareResults(a: Results, b: Results): Comparison {
  const [cellsA, cellsB] = [cellsOf(a), cellsOf(b)];
  const [armsA, armsB] = [armsOf(a), armsOf(b)];
  const rows = mainFigures.flatMap(({ name: figure, of }) =>
    rowsOf(figure, cellsA, cellsB, ({ figures }) => of(figures)),
  );
  const micro = [...new Set([...a.micro, ...b.micro].map(({ unit }) => unit))].flatMap((unit) =>
    rowsOf(`ns per ${unit}`, ofUnit(armsA, unit), ofUnit(armsB, unit), ({ nanosecondsPerUnit }) => nanosecondsPerUnit),
  );
  return {
    warnings: [...differences(a, b), ...invalidTrials("A", a), ...invalidTrials("B", b)],
    rows: [...rows, ...micro],
    onlyInA: [...missing(cellsA, cellsB), ...missing(armsA, armsB)],
    onlyInB: [...missing(cellsB, cellsA), ...missing(armsB, armsA)],
  };
}

/** By key: the name, and the trials. */
type Groups<T> = ReadonlyMap<string, { readonly name: string; readonly trials: readonly T[] }>;

function cellsOf(results: Results): Groups<Trial> {
  const valid = countingTrials(results).filter(({ scenario }) => scenario !== "backpressure");
  return named(Map.groupBy(valid, loadKey), trialName);
}

function armsOf({ micro }: Results): Groups<MicroTrial> {
  const armKey = ({ suite, arm, unit }: MicroTrial) => JSON.stringify([suite, arm, unit]);
  return named(Map.groupBy(micro, armKey), ({ suite, arm }) => `${suite}: ${arm}`);
}

function ofUnit(arms: Groups<MicroTrial>, unit: string): Groups<MicroTrial> {
  return new Map([...arms].filter(([, { trials }]) => trials[0].unit === unit));
}

function named<T>(groups: ReadonlyMap<string, readonly T[]>, nameOf: (trial: T) => string): Groups<T> {
  return new Map([...groups].map(([key, trials]) => [key, { name: nameOf(trials[0]), trials }]));
}

function trialName({ cell, load, figures: { arrival } }: Trial): string {
  return load === undefined ? cellName(cell) : `${cellName(cell)}, ${arrival}, ${percent(load)} load`;
}

function rowsOf<T>(figure: string, a: Groups<T>, b: Groups<T>, pick: (trial: T) => number): ComparedFigure[] {
  return [...a].flatMap(([key, { name, trials }]) => {
    const of = (each: readonly T[]) => each.map(pick).filter(Number.isFinite);
    const [valuesA, valuesB] = [of(trials), of(b.get(key)?.trials ?? [])];
    const ratio = welchRatio(valuesB, valuesA);
    if (ratio === undefined) return [];
    const [medianA, medianB] = [medianOf(valuesA).value, medianOf(valuesB).value];
    return [{ figure, name, a: medianA, b: medianB, ratio, differs: !spansOne(ratio) }];
  });
}

function missing<T>(there: Groups<T>, here: Groups<T>): string[] {
  return [...there].filter(([key]) => !here.has(key)).map(([, { name }]) => name);
}

/** Of what a figure depends on besides the code. */
function differences(a: Results, b: Results): string[] {
  const flat = ({
    machine: { versions, ...machine },
    pragmas,
    effort,
    limits,
    seed,
  }: Results): Record<string, unknown> => ({
    ...prefixed("machine", machine),
    ...prefixed("version of", versions),
    ...prefixed("pragma", pragmas),
    ...prefixed("effort", effort),
    limits,
    seed,
  });
  const [ofA, ofB] = [flat(a), flat(b)];
  return [...new Set([...Object.keys(ofA), ...Object.keys(ofB)])]
    .filter((name) => ofA[name] !== ofB[name])
    .map((name) => `${name} differs: ${ofA[name] ?? "none"} in A, ${ofB[name] ?? "none"} in B`);
}

function prefixed(prefix: string, values: object): Record<string, unknown> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [`${prefix} ${name}`, value]));
}

function invalidTrials(side: string, { trials }: Results): string[] {
  const invalid = trials.filter((trial) => trial.invalid !== "").length;
  const doubtful = trials.filter((trial) => trial.doubt !== "").length;
  return [
    ...(invalid === 0 ? [] : [`${side} has ${invalid} invalid trials, which are left out`]),
    ...(doubtful === 0
      ? []
      : [
          `${side} has ${doubtful} trials in which the generator may have been the limit: their rates and times are left out`,
        ]),
  ];
}
