import type { PendingChanges } from "./subscription.ts";

/** The subscriptions that are open. */
export class Subscriptions {
  readonly #open = new Set<PendingChanges>();

  get size(): number {
    return this.#open.size;
  }

  /** Windows that wait for the subscriber for whom the most wait. */
  get fullestWindows(): number {
    let most = 0;
    for (const pending of this.#open) most = Math.max(most, pending.length);
    return most;
  }

  add(pending: PendingChanges): void {
    this.#open.add(pending);
  }

  remove(pending: PendingChanges): void {
    this.#open.delete(pending);
  }
}
