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
 * A principal is who devices send as. There are no principals yet: all devices of a server are one.
 */
export interface IngestQuotas {
  /** Series of one device (`--device-series-max`). */
  readonly seriesPerDeviceMax: number;
  /** Series of all devices of one principal (`--series-max`). Infinity: not limited. */
  readonly seriesPerPrincipalMax: number;
  /** Samples per second of one device, over all its calls (`--device-rate`). Infinity: not limited. */
  readonly samplesPerSecondMax: number;
  /** How far the time of a sample may be ahead of the server's clock (`--future-max`). */
  readonly timeAheadMsMax: number;
}

export const defaultQuotas: IngestQuotas = Object.freeze({
  seriesPerDeviceMax: seriesPerDeviceMaxDefault,
  seriesPerPrincipalMax: seriesPerPrincipalMaxDefault,
  samplesPerSecondMax: samplesPerSecondMaxDefault,
  timeAheadMsMax: timeAheadMsMaxDefault,
});
