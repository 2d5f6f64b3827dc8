import type { Loop, LoopOptions } from "./loop.ts";

/**
 * Each slot sends its next message when the one before is settled: as fast as the server goes, and never faster. Its
 * latencies say how long a message takes at that load, not what somebody waits whose messages come by themselves.
 */
export class ClosedLoop implements Loop {
  readonly waiting = 0;
  readonly #options: LoopOptions;
  readonly #hasMore: (slot: number) => boolean;
  #hasFailed = false;

  /** @param hasMore whether a slot has another message to send; without it: always */
  constructor(options: LoopOptions, hasMore: (slot: number) => boolean = () => true) {
    this.#options = options;
    this.#hasMore = hasMore;
  }

  async run(ending: AbortSignal): Promise<void> {
    await Promise.all(Array.from({ length: this.#options.slots }, (_, slot) => this.#runSlot(slot, ending)));
  }

  async #runSlot(slot: number, ending: AbortSignal): Promise<void> {
    const { sender, clock, meter } = this.#options;
    try {
      while (!ending.aborted && !this.#hasFailed && this.#hasMore(slot)) {
        const sentMs = clock.elapsedMs();
        await sender.send(slot);
        meter.settled(sentMs);
      }
    } catch (error) {
      this.#hasFailed = true;
      throw error;
    }
  }
}
