import type { Clock } from "../../lib/base/clock.ts";
import { Change, neverAborted } from "../../lib/base/wait.ts";
import { Latencies } from "./latencies.ts";
import type { Meter } from "./meter.ts";

interface Probe {
  /** Of its last sample, in milliseconds since 1970. */
  readonly timeMs: number;
  /** When it was to be sent (`Clock.elapsedMs`). */
  readonly dueMs: number;
}

/**
 * Batches whose last sample has the time at which they were to be sent, until a subscriber sees them. Each batch that was
 * to be sent while it was measured gives one latency, also when it is seen later: see `Meter`.
 */
export class Probes {
  readonly latencies = new Latencies();
  readonly #clock: Clock;
  readonly #meter: Meter;
  readonly #seen = new Change();
  /** By time, ascending: one slot sends them one behind the other. */
  readonly #unseen: Probe[] = [];
  #lastMs = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock, meter: Meter) {
    this.#clock = clock;
    this.#meter = meter;
  }

  /** @returns the time of the batch's last sample, in milliseconds since 1970; no other batch has it */
  sent(dueMs: number): number {
    const dueTimeMs = Math.floor(this.#clock.nowMs() - (this.#clock.elapsedMs() - dueMs));
    this.#lastMs = Math.max(this.#lastMs + 1, dueTimeMs);
    this.#unseen.push({ timeMs: this.#lastMs, dueMs });
    return this.#lastMs;
  }

  /** A window has come whose last sample has this time: it, and all that were sent before it, can be seen. */
  seen(lastMs: number): void {
    const later = this.#unseen.findIndex(({ timeMs }) => timeMs > lastMs);
    this.#record(this.#unseen.splice(0, later < 0 ? this.#unseen.length : later));
    this.#seen.tell();
  }

  /** Waits for those that have not been seen. What does not come has taken longer than until now: it counts with that. */
  async settle(timeoutMs: number): Promise<void> {
    const endsAtMs = this.#clock.elapsedMs() + timeoutMs;
    const leftMs = () => endsAtMs - this.#clock.elapsedMs();
    while (this.#unseen.some(({ dueMs }) => this.#meter.isMeasured(dueMs)) && leftMs() > 0) {
      await this.#seen.wait(leftMs(), neverAborted);
    }
    this.#record(this.#unseen.splice(0));
  }

  #record(probes: readonly Probe[]): void {
    const nowMs = this.#clock.elapsedMs();
    for (const { dueMs } of probes) if (this.#meter.isMeasured(dueMs)) this.latencies.record(nowMs - dueMs);
  }
}
