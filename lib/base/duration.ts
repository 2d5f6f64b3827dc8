import { invalidField } from "./errors.ts";

/** A year is 365 days. */
const unitMs: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  y: 365 * 86_400_000,
};

/**
 * Milliseconds of `250ms`, `30s`, `1m`, `12h`, `2d`, `1y`, or of several in a row: `1h30m`.
 * Rounded to whole milliseconds.
 * @throws TelemetryError when it is anything else, or over 2^53 ms.
 */
export function parseDuration(text: string, field = "duration"): number {
  if (!/^(\d+(\.\d+)?(ms|[smhdy]))+$/.test(text)) {
    throw invalidField(
      field,
      `is ${JSON.stringify(text)}`,
      "write a number with its unit, such as 250ms, 30s, 1m, 12h, 2d or 1y",
    );
  }
  let totalMs = 0;
  for (const [, number, unit] of text.matchAll(/([\d.]+)(ms|[smhdy])/g)) {
    totalMs += Number(number) * unitMs[unit as string];
  }
  if (totalMs > Number.MAX_SAFE_INTEGER) {
    throw invalidField(field, `is ${JSON.stringify(text.slice(0, 40))}`, "choose at most 100000000d");
  }
  return Math.round(totalMs);
}

/** The shortest text that `parseDuration` reads back: `10s`, `1m`, `1h30m`, `1d`. */
export function formatDuration(durationMs: number): string {
  let rest = durationMs;
  let text = "";
  for (const unit of ["y", "d", "h", "m", "s", "ms"]) {
    const width = unitMs[unit];
    const count = Math.floor(rest / width);
    if (count > 0) text += `${count}${unit}`;
    rest -= count * width;
  }
  return text === "" ? "0s" : text;
}
