import { Latencies } from "./latencies.ts";
import type { Loop, LoopOptions } from "./loop.ts";

/**
 * Sends each message when the schedule says so, whether or not earlier ones are settled, as long as there is a free
 * slot. Without one the message waits, as a number, and is sent as soon as there is: its latency counts from when it was
 * to be sent. Timers have a grain of 1 ms, and what is due together goes out together: that is part of the latencies.
 */
export class OpenLoop implements Loop {
  /** How late messages were sent though there had been a slot when they were due: the loop's own part of latencies. */
  readonly lateness = new Latencies();
  readonly #options: LoopOptions;
  readonly #timesMs: Float64Array;
  /** In turn, so that all devices and connections are used alike. */
  readonly #freeSlots: number[];
  readonly #over = Promise.withResolvers<void>();
  #startedMs = 0;
  /** Since then there has been a free slot, if there is one. */
  #freeSinceMs = 0;
  #due = 0;
  #sent = 0;
  #timer: NodeJS.Timeout | undefined;
  #isEnding = false;

  /** @param timesMs after the start, ascending (`schedule.ts`) */
  constructor(options: LoopOptions, timesMs: Float64Array) {
    this.#options = options;
    this.#timesMs = timesMs;
    this.#freeSlots = Array.from({ length: options.slots }, (_, slot) => slot);
  }

  get waiting(): number {
    return this.#due - this.#sent;
  }

  async run(ending: AbortSignal): Promise<void> {
    const onEnding = () => this.#end();
    this.#startedMs = this.#options.clock.elapsedMs();
    ending.addEventListener("abort", onEnding);
    try {
      if (ending.aborted) this.#end();
      else this.#onTime();
      await this.#over.promise;
    } finally {
      ending.removeEventListener("abort", onEnding);
      clearTimeout(this.#timer);
    }
  }

  #onTime(): void {
    this.#sendDue();
    if (this.#isEnding || this.#due === this.#timesMs.length) return;
    const waitMs = this.#startedMs + this.#timesMs[this.#due] - this.#options.clock.elapsedMs();
    this.#timer = setTimeout(() => this.#onTime(), Math.max(1, waitMs));
  }

  #sendDue(): void {
    this.#countDue();
    while (!this.#isEnding && this.waiting > 0) {
      const slot = this.#freeSlots.shift();
      if (slot === undefined) return;
      const intendedMs = this.#startedMs + this.#timesMs[this.#sent];
      this.#sent += 1;
      this.#recordLateness(intendedMs);
      void this.#send(slot, intendedMs);
    }
  }

  #recordLateness(intendedMs: number): void {
    const { clock, meter } = this.#options;
    if (intendedMs < this.#freeSinceMs || !meter.isMeasured(intendedMs)) return;
    this.lateness.record(clock.elapsedMs() - intendedMs);
  }

  #countDue(): void {
    const nowMs = this.#options.clock.elapsedMs() - this.#startedMs;
    while (this.#due < this.#timesMs.length && this.#timesMs[this.#due] <= nowMs) this.#due += 1;
  }

  async #send(slot: number, intendedMs: number): Promise<void> {
    const { sender, clock, meter } = this.#options;
    try {
      await sender.send(slot, intendedMs);
      meter.settled(intendedMs);
      if (this.#freeSlots.length === 0) this.#freeSinceMs = clock.elapsedMs();
      this.#freeSlots.push(slot);
      this.#sendDue();
      this.#endWhenSettled();
    } catch (error) {
      this.#isEnding = true;
      this.#over.reject(error);
    }
  }

  /** What waits for a slot is not sent any more, but it has waited. */
  #end(): void {
    this.#countDue();
    this.#isEnding = true;
    while (this.waiting > 0) {
      this.#options.meter.abandoned(this.#startedMs + this.#timesMs[this.#sent]);
      this.#sent += 1;
    }
    this.#endWhenSettled();
  }

  #endWhenSettled(): void {
    if (this.#isEnding && this.#freeSlots.length === this.#options.slots) this.#over.resolve();
  }
}
