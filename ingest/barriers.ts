import type { Shard } from "../lib/aggregate/shard.ts";
import type { JournalPosition } from "../lib/store/store.ts";

/** Who waits until what was acked is in the tables. */
interface Barrier {
  readonly position: JournalPosition;
  /** What of it is not stored yet. */
  readonly shards: Set<Shard>;
  /** Whether the marks of sessions are to be stored too. */
  readonly sessions: boolean;
  readonly resolve: (position: JournalPosition) => void;
}

/** How far the tables are. */
export interface TableProgress {
  /** Whether anything can be stored. */
  readonly canStore: boolean;
  /** Position of the first group that is missing in a shard; infinity when none is. */
  sinceOf(shard: Shard): number;
  /** Position of the first group that is missing in some session's mark; infinity when none is. */
  readonly sessionsSince: number;
  /** All tables show the journal through here. */
  readonly settled: JournalPosition;
}

/** Queries that wait until the tables show what was acked before them. */
export class Barriers {
  #barriers: Barrier[] = [];

  get isEmpty(): boolean {
    return this.#barriers.length === 0;
  }

  /**
   * Resolves when the tables show the journal through `position`, or `open` finds that they cannot.
   * @returns the position up to which they show it
   */
  wait(position: JournalPosition, shards: Iterable<Shard>, sessions: boolean): Promise<JournalPosition> {
    const { promise, resolve } = Promise.withResolvers<JournalPosition>();
    this.#barriers.push({ position, shards: new Set(shards), sessions, resolve });
    return promise;
  }

  /** A shard that is waited for the longest, and up to which position it is. */
  next(): { readonly shard: Shard; readonly position: JournalPosition } | undefined {
    for (const { shards, position } of this.#barriers) for (const shard of shards) return { shard, position };
    return undefined;
  }

  /** Opens those that have what they wait for; all of them while nothing can be stored. */
  open({ canStore, sinceOf, sessionsSince, settled }: TableProgress): void {
    const waiting: Barrier[] = [];
    for (const barrier of this.#barriers) {
      const { shards, sessions, position, resolve } = barrier;
      for (const shard of shards) if (sinceOf(shard) > position) shards.delete(shard);
      const isShown = shards.size === 0 && !(sessions && sessionsSince <= position);
      if (isShown) resolve(position);
      else if (canStore) waiting.push(barrier);
      else resolve(Math.min(position, settled));
    }
    this.#barriers = waiting;
  }
}
