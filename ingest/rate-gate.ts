import { rateExcessMax } from "../lib/base/limits.ts";
import type { Device } from "../lib/store/store.ts";
import type { Call } from "./call.ts";
import type { Grant } from "./grant.ts";
import type { IngestQuotas } from "./quotas.ts";
import { deviceOverRate, principalOverRate, Rates, ratedDevice, ratedPrincipal } from "./rates.ts";

/**
 * Holds devices, and the principals that send for them, to their rates by not reading their calls. That does not hold who
 * ends each call before it is told to wait: a push is one message, so it is not taken while its device is over its rate, and
 * the other calls end when their device is further over than a call that waits can be.
 */
export class RateGate {
  readonly #devices: Rates<Device>;
  readonly #principals: Rates<Grant>;
  #nowMs = 0;
  /** Calls of the group that is being admitted that are to wait, with those of their devices that are over their rates. */
  #over = new Map<Call, Set<Device>>();

  constructor({ samplesPerSecondMax, principalSamplesPerSecondMax }: IngestQuotas) {
    this.#devices = new Rates(samplesPerSecondMax, ratedDevice);
    this.#principals = new Rates(principalSamplesPerSecondMax, ratedPrincipal);
  }

  /** Begins a group. */
  begin(nowMs: number): void {
    this.#nowMs = nowMs;
    this.#over = new Map();
  }

  /** Whether a batch may be taken; rejects it otherwise. */
  takes(call: Call, device: Device): boolean {
    const isOver = (excess: number) => excess > (call.method === "push" ? 0 : rateExcessMax);
    if (isOver(this.#devices.excess(device, this.#nowMs))) {
      call.reject(deviceOverRate(this.#devices.delayOf(device, this.#nowMs), device));
    } else if (call.grant !== undefined && isOver(this.#principals.excess(call.grant, this.#nowMs))) {
      call.reject(principalOverRate(this.#principals.delayOf(call.grant, this.#nowMs), call.grant));
    } else return true;
    return false;
  }

  /** Samples of a device were taken. */
  add(call: Call, device: Device, samples: number): void {
    this.#devices.add(device, samples, this.#nowMs);
    if (call.grant !== undefined) this.#principals.add(call.grant, samples, this.#nowMs);
    this.see(call, device);
  }

  /**
   * Looks whether a call must wait for a device of it, or for who sends on it. A push has its answer at once: it is the
   * device's next one that waits.
   */
  see(call: Call, device: Device): void {
    if (call.method === "push") return;
    const isOver = this.#devices.excess(device, this.#nowMs) > 0;
    const isPrincipalOver = call.grant !== undefined && this.#principals.excess(call.grant, this.#nowMs) > 0;
    if (!isOver && !isPrincipalOver) return;
    const devices = this.#over.get(call) ?? new Set();
    this.#over.set(call, devices);
    if (isOver) devices.add(device);
  }

  /** A call waits for the device that is furthest over its rate, and for who sends on it. @returns how many calls wait */
  delayCalls(): number {
    for (const [call, devices] of this.#over) {
      for (const device of devices) call.wait(this.#devices.delayOf(device, this.#nowMs));
      if (call.grant !== undefined) call.wait(this.#principals.delayOf(call.grant, this.#nowMs));
    }
    return this.#over.size;
  }

  /** The group is in the journal. */
  commit(): void {
    this.#devices.commit();
    this.#principals.commit();
  }

  /** The group could not be stored: its samples come again, and count then. */
  rollback(): void {
    this.#devices.rollback();
    this.#principals.rollback();
  }
}
