import { formatDuration } from "../lib/base/duration.ts";
import { invalidField } from "../lib/base/errors.ts";
import { formatSize, parseSize } from "../lib/base/size.ts";
import type { RawRetention } from "../lib/store/raw-retention.ts";
import { duration, setting } from "./options.ts";

/** For how long a server keeps samples so that they can be read back, as a flag. */

const flag = "--keep-raw";

export const keepRawSetting = () =>
  setting(
    `${flag} <duration|size|off>`,
    "for how long samples can be read back, such as 1h, 2GiB, or 1h,2GiB: what is over either goes (default: off)",
  ).argParser(parseKeepRaw);

/** `1h`, `2GiB`, or both; undefined for `off`. */
export function parseKeepRaw(text: string): RawRetention | undefined {
  if (text === "off") return undefined;
  const parts = text.split(",");
  const sizes = parts.filter((part) => part.endsWith("B"));
  const durations = parts.filter((part) => !part.endsWith("B"));
  if (sizes.length > 1 || durations.length > 1) {
    throw invalidField(
      flag,
      `is ${JSON.stringify(text)}`,
      "write a duration, a size, or one of each, such as 1h,2GiB; or off",
    );
  }
  const [size] = sizes;
  const [time] = durations;
  return Object.freeze({
    durationMs: time === undefined ? Number.POSITIVE_INFINITY : duration(flag)(time),
    bytesMax: size === undefined ? Number.POSITIVE_INFINITY : parseSize(size, flag),
  });
}

/** For people, in one line. */
export function describeRaw(keepRaw: RawRetention | undefined): string {
  if (keepRaw === undefined) return "not kept";
  const { durationMs, bytesMax } = keepRaw;
  const bounds = [
    ...(durationMs === Number.POSITIVE_INFINITY ? [] : [`for ${formatDuration(durationMs)}`]),
    ...(bytesMax === Number.POSITIVE_INFINITY ? [] : [`at most ${formatSize(bytesMax)}`]),
  ];
  return `kept ${bounds.join(", ")}`;
}
