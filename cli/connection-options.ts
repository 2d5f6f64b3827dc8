import { formatDuration } from "../lib/base/duration.ts";
import { connectionAgeMsMaxDefault, connectionIdleMsMaxDefault } from "../lib/base/limits.ts";
import { duration, setting } from "./options.ts";

export const connectionAgeMaxSetting = () =>
  setting(
    "--connection-age-max <duration|off>",
    "clients are asked to connect again after so long, 10 % earlier or later",
  )
    .argParser(durationOrOff("--connection-age-max"))
    .default(connectionAgeMsMaxDefault, formatDuration(connectionAgeMsMaxDefault));
export const connectionIdleMaxSetting = () =>
  setting("--connection-idle-max <duration|off>", "a connection without a call for so long is closed")
    .argParser(durationOrOff("--connection-idle-max"))
    .default(connectionIdleMsMaxDefault, formatDuration(connectionIdleMsMaxDefault));

/** Milliseconds, or `off`: infinity. */
function durationOrOff(flag: string) {
  const parse = duration(flag);
  return (text: string): number => (text === "off" ? Number.POSITIVE_INFINITY : parse(text));
}
