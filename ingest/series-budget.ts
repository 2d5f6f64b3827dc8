import type { IngestQuotas } from "./quotas.ts";

/** The series of one principal (`quotas.ts`: all devices of a server are one), and whether there may be more. */
export class SeriesBudget {
  readonly #quotas: IngestQuotas;
  #used: number;

  /** @param used series that there are */
  constructor(quotas: IngestQuotas, used: number) {
    this.#quotas = quotas;
    this.#used = used;
  }

  /** Series that there are. */
  get used(): number {
    return this.#used;
  }

  /** @param ofDevice series that the device has */
  hasRoom(ofDevice: number): boolean {
    const { seriesPerDeviceMax, seriesPerPrincipalMax } = this.#quotas;
    return ofDevice < seriesPerDeviceMax && this.#used < seriesPerPrincipalMax;
  }

  take(): void {
    this.#used += 1;
  }

  giveBack(): void {
    this.#used -= 1;
  }

  /** Why a metric of a device has no series, with value, limit and remedy. @param ofDevice series that it has */
  explain(deviceId: string, ofDevice: number): string {
    const { seriesPerDeviceMax, seriesPerPrincipalMax } = this.#quotas;
    if (ofDevice >= seriesPerDeviceMax) {
      return (
        `device ${JSON.stringify(deviceId)} has ${ofDevice} series, the limit is ${seriesPerDeviceMax} per device; ` +
        "send fewer metrics, or raise --device-series-max"
      );
    }
    if (this.#used >= seriesPerPrincipalMax) {
      return (
        `all devices together have ${this.#used} series, the limit is ${seriesPerPrincipalMax}; ` +
        "send fewer metrics, or raise --series-max"
      );
    }
    return "it was over a limit when it was registered, and no longer is; register it again";
  }
}
