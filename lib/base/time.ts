import { parseDuration } from "./duration.ts";
import { invalidField } from "./errors.ts";
import { timeMsMax, timeMsMin } from "./time-range.ts";

const rfc3339 = /^(\d{4})-(\d\d)-(\d\d)[Tt ]([01]\d|2[0-3]):(\d\d):(\d\d)(?:\.(\d+))?([Zz]|[+-]\d\d:\d\d)?$/;

/**
 * Milliseconds since 1970-01-01T00:00:00Z of an RFC 3339 time, `YYYY-MM-DD HH:MM:SS` (UTC), or epoch
 * milliseconds. Digits below a millisecond are cut off.
 * @returns undefined when it is none of these, or no day of the calendar, or outside the years 1 to 9999.
 */
export function parseTime(text: string): number | undefined {
  if (/^-?\d{1,15}$/.test(text)) return inRange(Number(text));
  const match = rfc3339.exec(text);
  if (match === null) return undefined;
  const [, year, month, day, hour, minute, second, fraction = "", zone = "Z"] = match;
  const date = `${year}-${month}-${day}`;
  // Date.parse rolls 30 February over to March, and knows no leap second: hold the day against itself.
  const midnightMs = Date.parse(`${date}T00:00:00Z`);
  if (Number.isNaN(midnightMs) || new Date(midnightMs).toISOString().slice(0, 10) !== date) return undefined;
  const clockMs = Date.parse(`${date}T${hour}:${minute}:${second}${zone.toUpperCase()}`);
  if (Number.isNaN(clockMs)) return undefined;
  return inRange(clockMs + Number(fraction.slice(0, 3).padEnd(3, "0")));
}

/**
 * As `parseTime`, and `now`, `now-1h`, `now+30s`.
 * @throws TelemetryError that names the field and the forms.
 */
export function parseTimeArgument(text: string, nowMs: number, field: string): number {
  const relative = /^now(?:([+-])(.+))?$/.exec(text);
  if (relative !== null) {
    const [, sign, duration] = relative;
    if (duration === undefined) return nowMs;
    const distanceMs = parseDuration(duration, field);
    const timeMs = inRange(sign === "-" ? nowMs - distanceMs : nowMs + distanceMs);
    if (timeMs === undefined) throw invalidField(field, `is ${text}`, "choose a time in the years 1 to 9999");
    return timeMs;
  }
  const timeMs = parseTime(text);
  if (timeMs === undefined) {
    throw invalidField(
      field,
      `is ${JSON.stringify(text)}`,
      "write RFC 3339 (2026-01-31T12:00:00Z), epoch milliseconds, or now-1h",
    );
  }
  return timeMs;
}

/** RFC 3339 in UTC, with milliseconds only where there are some. */
export function formatTime(timeMs: number): string {
  return new Date(timeMs).toISOString().replace(".000Z", "Z");
}

function inRange(timeMs: number): number | undefined {
  return timeMs >= timeMsMin && timeMs <= timeMsMax ? timeMs : undefined;
}
