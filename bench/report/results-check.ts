import { type Cell, encodings, ways } from "../cell.ts";
import { arrivals } from "../load/schedule.ts";
import type { Figures, Machine, MicroTrial, Quantiles, Results, Timeline, Trial } from "../results.ts";
import {
  amount,
  arrayOf,
  type Check,
  count,
  flag,
  numberOrNaN,
  objectOf,
  oneOf,
  optional,
  recordOf,
  text,
  wrong,
} from "./check.ts";

const quantilesOf = (number: Check<number>) =>
  objectOf<Quantiles>({ p50: number, p90: number, p99: number, p999: number, max: number });

const cell = objectOf<Cell>({
  way: oneOf(...ways),
  encoding: oneOf(...encodings),
  batchSamples: count,
  batchesPerMessage: count,
  slots: count,
  connections: count,
  devices: count,
  metrics: count,
  durability: oneOf("fsync", "process"),
  gzip: flag,
  tls: flag,
  late: amount,
});

const figuresOf = (number: Check<number>) =>
  objectOf<Figures>({
    samples: number,
    seconds: number,
    samplesPerSecond: number,
    offeredPerSecond: optional(amount),
    arrival: optional(oneOf(...arrivals)),
    serverCpuSecondsPerMillion: number,
    generatorCpuSecondsPerMillion: number,
    bytesPerSample: number,
    ackMs: quantilesOf(number),
    freshnessMs: optional(quantilesOf(number)),
    generatorLateMs: optional(number),
    serverRssPeakBytes: number,
    ceilingPerSecond: optional(number),
    lost: number,
    duplicated: number,
    seriesWrong: number,
    digest: text,
  });

const trialOf = (number: Check<number>) =>
  objectOf<Trial>({ scenario: text, cell, round: count, figures: figuresOf(number), invalid: text, doubt: text });
const validTrial = trialOf(amount);
/** Its figures need not be numbers: when nothing was settled, a million samples cost nothing that could be told. */
const invalidTrial = trialOf(numberOrNaN);
const trial: Check<Trial> = (value, field) =>
  ((value as Partial<Trial> | null)?.invalid === "" ? validTrial : invalidTrial)(value, field);

const timelineFields = objectOf<Timeline>({
  scenario: text,
  cell,
  columns: arrayOf(text),
  rows: arrayOf(arrayOf(numberOrNaN)),
});
const timeline: Check<Timeline> = (value, field) => {
  const checked = timelineFields(value, field);
  const { columns, rows } = checked;
  if (columns[0] !== "seconds") throw wrong(columns[0], `${field}.columns[0]`, '"seconds"');
  const at = rows.findIndex((row) => row.length !== columns.length);
  if (at >= 0) throw wrong(rows[at], `${field}.rows[${at}]`, `${columns.length} numbers, one for each column`);
  return checked;
};

const machine = objectOf<Machine>({
  cpus: count,
  cpuModel: text,
  memoryBytes: count,
  os: text,
  versions: recordOf(text),
});

/** Makes results out of what a file holds. */
export const checkResults: Check<Results> = objectOf<Results>({
  format: oneOf(1),
  machine,
  commit: text,
  seed: numberOrNaN,
  startedAt: text,
  seconds: amount,
  set: text,
  pragmas: recordOf(text),
  limits: text,
  trials: arrayOf(trial),
  timelines: arrayOf(timeline),
  micro: arrayOf(
    objectOf<MicroTrial>({ suite: text, arm: text, round: count, unit: text, nanosecondsPerUnit: amount }),
  ),
});
