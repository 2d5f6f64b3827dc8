import {
  samplesPerSecondMaxDefault,
  seriesPerDeviceMaxDefault,
  seriesPerPrincipalMaxDefault,
  timeAheadMsMaxDefault,
} from "../lib/base/limits.ts";

/**
 * What those who send may use, as an operator has set it; the limits of the protocol itself are constants of
 * `lib/base/limits.ts`. Series over a quota are refused, a rate over its quota is delayed.
 *
 * A principal is who devices send as: a token, a user, a certificate. Who has not said who he is has no rate as one. The
 * series of a server are one budget for all principals: a device does not belong to one.
 */
export interface IngestQuotas {
  /** Series of one device (`--device-series-max`). */
  readonly seriesPerDeviceMax: number;
  /** Series of all devices of one principal (`--series-max`). Infinity: not limited. */
  readonly seriesPerPrincipalMax: number;
  /** Samples per second of one device, over all its calls (`--device-rate`). Infinity: not limited. */
  readonly samplesPerSecondMax: number;
  /** Samples per second of all devices that send as one principal (`--principal-rate`). Infinity: not limited. */
  readonly principalSamplesPerSecondMax: number;
  /** How far the time of a sample may be ahead of the server's clock (`--future-max`). */
  readonly timeAheadMsMax: number;
}

/** Whether anybody may have to wait for his rate. */
export function hasRates({ samplesPerSecondMax, principalSamplesPerSecondMax }: IngestQuotas): boolean {
  return Math.min(samplesPerSecondMax, principalSamplesPerSecondMax) !== Number.POSITIVE_INFINITY;
}

export const defaultQuotas: IngestQuotas = Object.freeze({
  seriesPerDeviceMax: seriesPerDeviceMaxDefault,
  seriesPerPrincipalMax: seriesPerPrincipalMaxDefault,
  samplesPerSecondMax: samplesPerSecondMaxDefault,
  principalSamplesPerSecondMax: Number.POSITIVE_INFINITY,
  timeAheadMsMax: timeAheadMsMaxDefault,
});
