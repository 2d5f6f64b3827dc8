import type { JournalPosition, Session } from "../lib/store/store.ts";

/**
 * Which sessions have samples of refused handles in groups that are not settled.
 *
 * That a handle was refused is stored as other handles are, with `noSeries`. Replay finds the series of a batch by what
 * is stored, so it refuses what was refused when the batch was acked, whatever the limits are by then. The price: a
 * handle that is refused must not get a series, nor another metric, while the journal has a batch that was judged
 * without one and is not settled, or replay would count what an ack has called refused. When it has none, as after
 * every start, since recovery settles all, the device registers the metric again and it is judged anew. Whoever reads
 * the samples of settled groups finds since which group a handle has its series.
 */
export class RefusedHandles {
  /** The last group with such samples, by session; in the order of the journal. */
  readonly #lastAt = new Map<number, JournalPosition>();
  readonly #ofGroup = new Set<number>();

  /** A batch of the group has samples of a refused handle. */
  onRefused(session: Session): void {
    this.#ofGroup.add(session.id);
  }

  /** Whether the verdict of something that is not settled rests on refused handles of the session. */
  binds(session: Session): boolean {
    return this.#ofGroup.has(session.id) || this.#lastAt.has(session.id);
  }

  /** The group is in the journal at this position. */
  commit(position: JournalPosition): void {
    for (const session of this.#ofGroup) {
      this.#lastAt.delete(session);
      this.#lastAt.set(session, position);
    }
    this.#ofGroup.clear();
  }

  /** The group could not be stored. */
  rollback(): void {
    this.#ofGroup.clear();
  }

  /** No start replays the groups up to this position. */
  settle(through: JournalPosition): void {
    for (const [session, position] of this.#lastAt) {
      if (position > through) return;
      this.#lastAt.delete(session);
    }
  }
}
