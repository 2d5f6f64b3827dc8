import type { ZoneName } from "../state/url-state.ts";

const options: Intl.DateTimeFormatOptions = {
  year: "numeric",
  month: "2-digit",
  day: "2-digit",
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  hourCycle: "h23",
};
// Made once: making one costs far more than using it.
const formats: Readonly<Record<ZoneName, Intl.DateTimeFormat>> = {
  local: new Intl.DateTimeFormat("sv-SE", options),
  utc: new Intl.DateTimeFormat("sv-SE", { ...options, timeZone: "UTC" }),
};

const minuteMs = 60_000;
const dayMs = 86_400_000;

/**
 * Times under an axis, as short as they can be told apart: `12:00:05`, `12:00`, `01-31` where a day begins, `2026` where a
 * year does.
 * @param stepMs between them
 */
export function axisTexts(timesMs: readonly number[], stepMs: number, zone: ZoneName): string[] {
  return timesMs.map((timeMs) => {
    const text = formats[zone].format(timeMs);
    const isMidnight = text.endsWith("00:00:00");
    if (isMidnight || stepMs >= dayMs) return text.slice(5, 10) === "01-01" ? text.slice(0, 4) : text.slice(5, 10);
    return text.slice(11, stepMs < minuteMs ? 19 : 16);
  });
}

/** `2026-01-31 12:00:00`, with `Z` in UTC. */
export function timeText(timeMs: number, zone: ZoneName): string {
  return formats[zone].format(timeMs) + (zone === "utc" ? "Z" : "");
}
