import { TelemetryError } from "../../../../lib/base/errors.ts";
import { formatTime, parseTimeArgument } from "../../../../lib/base/time.ts";
import { timeMsMax, timeMsMin } from "../../../../lib/base/time-range.ts";

/** What was written: `now-15m`, `now`, RFC 3339 or epoch milliseconds. */
export interface TimeRange {
  readonly from: string;
  readonly to: string;
}

/** What it comes to at one moment. */
export interface Span {
  readonly fromMs: number;
  readonly toMs: number;
}

export const rangeDefault: TimeRange = { from: "now-15m", to: "now" };
export const rangePresets = ["now-5m", "now-15m", "now-1h", "now-6h", "now-1d", "now-7d", "now-30d"] as const;

/** Longer texts are no times. */
const timeTextLengthMax = 64;

/** @throws TelemetryError that names the field, when one is no time or they are the wrong way round */
export function resolveRange({ from, to }: TimeRange, nowMs: number): Span {
  const fromMs = parseTimeArgument(checked(from, "from"), nowMs, "from");
  const toMs = parseTimeArgument(checked(to, "to"), nowMs, "to");
  if (fromMs < toMs) return { fromMs, toMs };
  throw new TelemetryError(
    "INVALID_ARGUMENT",
    "INVALID_FIELD",
    `from is ${from}, not before ${to}; choose it earlier`,
    {
      field: "from",
    },
  );
}

export function isRange(range: TimeRange, nowMs: number): boolean {
  try {
    resolveRange(range, nowMs);
    return true;
  } catch (error) {
    if (error instanceof TelemetryError) return false;
    throw error;
  }
}

/** As `resolveRange`, of a range that was one when it was chosen: `now` may have passed its end since. */
export function spanOf(range: TimeRange, nowMs: number): Span {
  return resolveRange(isRange(range, nowMs) ? range : rangeDefault, nowMs);
}

/** Whether new windows come into it: it ends now. */
export function isLive({ to }: TimeRange): boolean {
  return to === "now";
}

/** Of two times that were pointed at, whole milliseconds. */
export function fixedRange(aMs: number, bMs: number): TimeRange {
  const fromMs = Math.min(Math.max(Math.floor(Math.min(aMs, bMs)), timeMsMin), timeMsMax - 1);
  const toMs = Math.min(Math.max(Math.ceil(Math.max(aMs, bMs)), fromMs + 1), timeMsMax);
  return { from: formatTime(fromMs), to: formatTime(toMs) };
}

function checked(text: string, field: string): string {
  if (text.length <= timeTextLengthMax) return text;
  throw new TelemetryError(
    "INVALID_ARGUMENT",
    "INVALID_FIELD",
    `${field} has ${text.length} characters; write at most ${timeTextLengthMax}`,
    { field },
  );
}
