/**
 * The aggregates of a recording, computed from its text as plainly as can be: nothing here is shared with
 * the product.
 */

export interface PlainWindow {
  readonly metric: string;
  /** As `query` writes it. */
  readonly windowStart: string;
  readonly count: number;
  readonly sum: number;
  readonly min: number;
  readonly max: number;
  /** The smallest of the values at the earliest time. */
  readonly first: number;
  /** The largest of the values at the latest time. */
  readonly last: number;
}

interface Sample {
  readonly metric: string;
  readonly timeMs: number;
  readonly value: number;
}

/** @param text lines of `YYYY-MM-DD HH:MM:SS,value,...` under a header, without quotes */
export function plainWindows(text: string, widthMs: number): PlainWindow[] {
  const groups = new Map<string, Sample[]>();
  for (const sample of samplesOf(text)) {
    const startMs = Math.floor(sample.timeMs / widthMs) * widthMs;
    const key = `${sample.metric} ${new Date(startMs).toISOString().slice(0, 19)}Z`;
    groups.set(key, [...(groups.get(key) ?? []), sample]);
  }
  return [...groups].map(([key, samples]) => summarize(key, samples)).sort(byMetricAndStart);
}

export function byMetricAndStart(
  a: Pick<PlainWindow, "metric" | "windowStart">,
  b: Pick<PlainWindow, "metric" | "windowStart">,
): number {
  const [left, right] = [`${a.metric} ${a.windowStart}`, `${b.metric} ${b.windowStart}`];
  return left < right ? -1 : left > right ? 1 : 0;
}

function samplesOf(text: string): Sample[] {
  const [header, ...lines] = text.trimEnd().split("\n");
  const [, ...metrics] = header.split(",");
  return lines.flatMap((line) => {
    const [timestamp, ...cells] = line.split(",");
    const timeMs = Date.parse(`${timestamp.replace(" ", "T")}Z`);
    return cells.flatMap((cell, i) => (cell === "" ? [] : [{ metric: metrics[i], timeMs, value: Number(cell) }]));
  });
}

function summarize(key: string, samples: readonly Sample[]): PlainWindow {
  const [metric, windowStart] = key.split(" ");
  const values = samples.map(({ value }) => value);
  const times = samples.map(({ timeMs }) => timeMs);
  const at = (timeMs: number) => samples.filter((sample) => sample.timeMs === timeMs).map(({ value }) => value);
  return {
    metric,
    windowStart,
    count: values.length,
    sum: values.reduce((sum, value) => sum + value, 0),
    min: Math.min(...values),
    max: Math.max(...values),
    first: Math.min(...at(Math.min(...times))),
    last: Math.max(...at(Math.max(...times))),
  };
}
