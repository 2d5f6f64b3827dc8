import { defaultQuotas, type IngestQuotas } from "../ingest/quotas.ts";
import { formatDuration } from "../lib/base/duration.ts";
import { invalidField } from "../lib/base/errors.ts";
import { metricHandleMax, seriesMax } from "../lib/base/limits.ts";
import { duration, integer, setting } from "./options.ts";

/** The quotas of a server as flags; `quotasOf` puts them together. */

const rateMax = 1_000_000_000;
const dayMs = 86_400_000;
const timeAheadMsMost = 365 * dayMs;

export const deviceSeriesMaxSetting = () =>
  setting("--device-series-max <n>", "series (metrics) of one device; samples of those over it are refused")
    .argParser(integer("--device-series-max", 1, metricHandleMax))
    .default(defaultQuotas.seriesPerDeviceMax);
export const seriesMaxSetting = () =>
  setting("--series-max <n|off>", "series of all devices; samples of those over it are refused")
    .argParser(integerOrOff("--series-max", 1, seriesMax))
    .default(defaultQuotas.seriesPerPrincipalMax);
export const deviceRateSetting = () =>
  setting("--device-rate <n|off>", "samples per second of one device, with 1m of it saved up; what is over it waits")
    .argParser(integerOrOff("--device-rate", 1, rateMax))
    .default(defaultQuotas.samplesPerSecondMax);
export const principalRateSetting = () =>
  setting("--principal-rate <n|off>", "samples per second of all that one token, user or certificate sends")
    .argParser(integerOrOff("--principal-rate", 1, rateMax))
    .default(defaultQuotas.principalSamplesPerSecondMax, "off");
export const futureMaxSetting = () =>
  setting("--future-max <duration>", "how far samples may be ahead of the server's clock; others are refused")
    .argParser(timeAhead("--future-max"))
    .default(defaultQuotas.timeAheadMsMax, formatDuration(defaultQuotas.timeAheadMsMax));

/** What commander makes of the flags. */
export interface QuotaFlags {
  readonly deviceSeriesMax: number;
  readonly seriesMax: number;
  readonly deviceRate: number;
  /** `off` by default. */
  readonly principalRate?: number;
  readonly futureMax: number;
}

export function quotasOf(flags: QuotaFlags): IngestQuotas {
  const { deviceSeriesMax, seriesMax, deviceRate, principalRate, futureMax } = flags;
  return Object.freeze({
    seriesPerDeviceMax: deviceSeriesMax,
    seriesPerPrincipalMax: seriesMax,
    samplesPerSecondMax: deviceRate,
    principalSamplesPerSecondMax: principalRate ?? defaultQuotas.principalSamplesPerSecondMax,
    timeAheadMsMax: futureMax,
  });
}

/** For people, in one line. */
export function describeQuotas(quotas: IngestQuotas): string {
  const { seriesPerDeviceMax, seriesPerPrincipalMax, samplesPerSecondMax, timeAheadMsMax } = quotas;
  const ofPrincipal = quotas.principalSamplesPerSecondMax;
  const principals = ofPrincipal === Number.POSITIVE_INFINITY ? "" : `${ofPrincipal} samples/s per principal, `;
  const orOff = (value: number) => (value === Number.POSITIVE_INFINITY ? "any number of" : String(value));
  return (
    `${seriesPerDeviceMax} series per device, ${orOff(seriesPerPrincipalMax)} series in all, ` +
    `${orOff(samplesPerSecondMax)} samples/s per device, ${principals}times up to ${formatDuration(timeAheadMsMax)} ahead`
  );
}

/** A whole number within bounds, or `off`: infinity. */
function integerOrOff(flag: string, min: number, max: number) {
  const parse = integer(flag, min, max, ", or off");
  return (text: string): number => (text === "off" ? Number.POSITIVE_INFINITY : parse(text));
}

function timeAhead(flag: string) {
  const parse = duration(flag);
  return (text: string): number => {
    const durationMs = parse(text);
    if (durationMs > timeAheadMsMost) {
      throw invalidField(flag, `is ${JSON.stringify(text)}`, `choose at most ${formatDuration(timeAheadMsMost)}`);
    }
    return durationMs;
  };
}
