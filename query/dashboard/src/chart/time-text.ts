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

/** `2026-01-31 12:00:00`, with `Z` in UTC. */
export function timeText(timeMs: number, zone: ZoneName): string {
  return formats[zone].format(timeMs) + (zone === "utc" ? "Z" : "");
}
