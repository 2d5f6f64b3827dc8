import type { Selector } from "./selector.ts";
import type { SeriesRow, WindowChanges } from "./store.ts";

/** What a subscriber wants to see. */
export interface LiveFilter {
  readonly selector: Selector;
  readonly widthMs: number;
}

/**
 * Carries committed changes from the writer to whoever watches. It holds nothing back and never
 * blocks: a subscriber that is slow conflates for itself (`query/subscription.ts`).
 */
export class LiveFeed {
  readonly #subscribers = new Map<(changes: WindowChanges) => void, LiveFilter>();
  readonly #series = new Map<number, SeriesRow>();
  readonly #onInterest: (filters: readonly LiveFilter[]) => Promise<void>;

  /**
   * @param onInterest told what all subscribers together want, whenever that changes; resolves when
   * every later commit is published accordingly
   */
  constructor(onInterest: (filters: readonly LiveFilter[]) => Promise<void>) {
    this.#onInterest = onInterest;
  }

  /**
   * @param onChanges called with changes that pass the filter, and others: the feed carries what any
   * subscriber wants
   * @returns when every commit from now on is passed on, with the way to end it. What was committed
   * before is in the store.
   */
  async subscribe(filter: LiveFilter, onChanges: (changes: WindowChanges) => void): Promise<() => void> {
    this.#subscribers.set(onChanges, filter);
    const unsubscribe = () => {
      this.#subscribers.delete(onChanges);
      // Too much is published until it is heard; nobody else is harmed.
      this.#onInterest([...this.#subscribers.values()]).catch(() => {});
    };
    try {
      await this.#onInterest([...this.#subscribers.values()]);
    } catch (error) {
      unsubscribe();
      throw error;
    }
    return unsubscribe;
  }

  /** Hands changes to every subscriber of their tier. They must not change the tables. */
  publish(changes: WindowChanges): void {
    for (const row of changes.series) this.#series.set(row.id, row);
    for (const [onChanges, filter] of this.#subscribers) {
      if (filter.widthMs === changes.widthMs) onChanges(changes);
    }
  }

  /** The series of a published window. */
  seriesOf(id: number): SeriesRow | undefined {
    return this.#series.get(id);
  }
}
