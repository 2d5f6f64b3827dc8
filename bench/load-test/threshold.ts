import { invalidField } from "../../lib/base/errors.ts";
import { parseAmount } from "./sample-rate.ts";

/** What a load can be held against, and in which unit each is. */
const units = {
  ack_p50: "time",
  ack_p90: "time",
  ack_p99: "time",
  ack_p999: "time",
  ack_max: "time",
  rate: "rate",
  offered: "count",
  sent: "count",
  acked: "count",
  unacked: "count",
  counted: "count",
  refused: "count",
  lost: "count",
  duplicated: "count",
  wrong_series: "count",
  cuts: "count",
  reconnects: "count",
} as const satisfies Readonly<Record<string, "time" | "rate" | "count">>;
export type LoadMetric = keyof typeof units;
export const loadMetrics = Object.keys(units) as LoadMetric[];

/** Of a load: times in milliseconds, the rate in samples per second. Undefined: it could not be found out. */
export type LoadFigures = Readonly<Record<LoadMetric, number | undefined>>;

const comparisons = {
  "<=": (a: number, b: number) => a <= b,
  ">=": (a: number, b: number) => a >= b,
  "==": (a: number, b: number) => a === b,
  "!=": (a: number, b: number) => a !== b,
  "<": (a: number, b: number) => a < b,
  ">": (a: number, b: number) => a > b,
} as const;
type Comparison = keyof typeof comparisons;

export interface Threshold {
  /** As it was written. */
  readonly text: string;
  readonly metric: LoadMetric;
  readonly comparison: Comparison;
  /** In the unit of `LoadFigures`. */
  readonly limit: number;
}

export interface Judgement {
  readonly threshold: Threshold;
  readonly value: number | undefined;
  readonly passed: boolean;
}

/**
 * `ack_p99<50ms`, `rate >= 45k/s`, `lost==0`.
 * @throws TelemetryError that tells what is allowed
 */
export function parseThreshold(text: string, field = "--threshold"): Threshold {
  const [, name, comparison, value] = /^\s*(\w+)\s*(<=|>=|==|!=|<|>)\s*([^<>=!\s]+)\s*$/.exec(text) ?? [];
  const wrong = (problem: string, remedy: string) => invalidField(field, problem, remedy);
  if (name === undefined || value === undefined) {
    throw wrong(
      `is ${JSON.stringify(text)}`,
      "write METRIC OP VALUE, such as ack_p99<50ms; OP is one of < <= > >= == !=",
    );
  }
  if (!isMetric(name)) {
    throw wrong(`is ${JSON.stringify(text)}, and there is no ${name}`, `choose one of ${loadMetrics.join(", ")}`);
  }
  const limit = parseLimit(name, value);
  if (limit === undefined)
    throw wrong(`is ${JSON.stringify(text)}`, `write the value of ${name} as ${examples[units[name]]}`);
  return { text: text.trim(), metric: name, comparison: comparison as Comparison, limit };
}

/** What could not be found out has not passed. */
export function judge(thresholds: readonly Threshold[], figures: LoadFigures): Judgement[] {
  return thresholds.map((threshold) => {
    const { metric, comparison, limit } = threshold;
    const value = figures[metric];
    return { threshold, value, passed: value !== undefined && comparisons[comparison](value, limit) };
  });
}

/** What a load must come to where nothing else is said of it: refused samples are acked, and not lost. */
const usual = ["lost==0", "duplicated==0", "wrong_series==0", "refused==0", "unacked==0"].map((text) =>
  parseThreshold(text),
);

/** The thresholds that were asked for, and the usual ones of metrics that none of them is about. */
export function withUsual(asked: readonly Threshold[]): Threshold[] {
  return [...asked, ...usual.filter(({ metric }) => asked.every((each) => each.metric !== metric))];
}

/** For people. */
export function formatFigure(metric: LoadMetric, value: number | undefined): string {
  if (value === undefined) return "not known";
  if (units[metric] === "count") return String(value);
  return units[metric] === "time" ? formatMs(value) : `${Math.round(value)}/s`;
}

/** Three digits of milliseconds. */
export function formatMs(ms: number): string {
  return `${Number(ms.toPrecision(3))} ms`;
}

const examples = {
  time: "a time with its unit, such as 50ms, 1.5s or 800us",
  rate: "samples per second, such as 45000/s or 45k/s",
  count: "a number, such as 0, 100 or 5M",
};

const unitMs: Readonly<Record<string, number>> = { us: 0.001, ms: 1, s: 1_000 };

function isMetric(name: string): name is LoadMetric {
  return Object.hasOwn(units, name);
}

function parseLimit(metric: LoadMetric, text: string): number | undefined {
  if (units[metric] === "count") return parseAmount(text);
  if (units[metric] === "rate") return parseAmount(text.replace(/\/s$/, ""));
  const [, number, unit = ""] = /^(\d+(?:\.\d+)?)(us|ms|s)$/.exec(text) ?? [];
  return number === undefined ? undefined : Number(number) * unitMs[unit];
}
