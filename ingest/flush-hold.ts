import { flushFreeMs, flushHeldMsMax } from "../lib/base/limits.ts";

/**
 * Keeps the tables as they are for a moment, while a reader begins a snapshot of them: what it has been given of memory
 * and what it reads then show the same revision. Only storing waits; groups and their acks go on.
 */
export class FlushHold {
  readonly #untilMs = new Map<number, number>();
  #next = 1;
  #heldSinceMs: number | undefined;

  /** @returns what to release it with */
  take(nowMs: number): number {
    const id = this.#next++;
    this.#untilMs.set(id, nowMs + flushHeldMsMax);
    return id;
  }

  release(id: number): void {
    this.#untilMs.delete(id);
  }

  /** Whether nothing may be stored. Holds that come one upon the other leave half of the time. */
  isHeld(nowMs: number): boolean {
    for (const [id, untilMs] of this.#untilMs) if (untilMs <= nowMs) this.#untilMs.delete(id);
    if (this.#untilMs.size === 0) {
      this.#heldSinceMs = undefined;
      return false;
    }
    this.#heldSinceMs ??= nowMs;
    const heldMs = nowMs - this.#heldSinceMs;
    if (heldMs < flushHeldMsMax) return true;
    if (heldMs > flushHeldMsMax + flushFreeMs) this.#heldSinceMs = nowMs;
    return false;
  }
}
