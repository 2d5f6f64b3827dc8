import assert from "node:assert/strict";
import type { Clock } from "../../lib/base/clock.ts";
import { Latencies } from "./latencies.ts";

/**
 * Counts what is settled while it is measured. A latency counts where the message was (to be) sent while it was
 * measured, also when it is settled later: what is slow at the end must not be missing.
 */
export class Meter {
  readonly latencies = new Latencies();
  /** Since the load began. */
  samplesSettled = 0;
  /** Of those, settled while it was measured. */
  samples = 0;
  readonly #clock: Clock;
  readonly #samplesPerMessage: number;
  #startedMs = Number.POSITIVE_INFINITY;
  #stoppedMs = Number.POSITIVE_INFINITY;

  constructor(clock: Clock, samplesPerMessage: number) {
    this.#clock = clock;
    this.#samplesPerMessage = samplesPerMessage;
  }

  start(): void {
    this.#startedMs = this.#clock.elapsedMs();
  }

  stop(): void {
    this.#stoppedMs = this.#clock.elapsedMs();
  }

  /** Whether it counts. @param fromMs when it was sent, or was to be sent (`Clock.elapsedMs`) */
  isMeasured(fromMs: number): boolean {
    return fromMs >= this.#startedMs && fromMs < this.#stoppedMs;
  }

  get seconds(): number {
    assert(this.#stoppedMs !== Number.POSITIVE_INFINITY, "the measurement is over");
    return (this.#stoppedMs - this.#startedMs) / 1_000;
  }

  /** @param fromMs when the message was sent, or was to be sent (`Clock.elapsedMs`) */
  settled(fromMs: number): void {
    this.samplesSettled += this.#samplesPerMessage;
    if (this.isMeasured(this.#clock.elapsedMs())) this.samples += this.#samplesPerMessage;
    this.#record(fromMs);
  }

  /** The message is not sent at all, for want of a slot: it would have taken longer than until now. */
  abandoned(fromMs: number): void {
    this.#record(fromMs);
  }

  #record(fromMs: number): void {
    if (this.isMeasured(fromMs)) this.latencies.record(this.#clock.elapsedMs() - fromMs);
  }
}
