import { noSeries } from "../lib/journal/sample-check.ts";
import type { JournalPosition, SessionHandles } from "../lib/store/store.ts";

/**
 * What the metric handles of a session stood for when a group was judged. A handle that was refused may have got its
 * series later: what came before was refused, and stays so.
 */
export class SessionSeries {
  readonly #handles: SessionHandles["handles"];
  #series: ReadonlyMap<number, number> = new Map();
  /** Positions at which `#series` holds. */
  #from = 0;
  #until = 0;

  constructor({ handles }: SessionHandles) {
    this.#handles = handles;
  }

  /** Whether any handle ever stood for a series that is wanted. */
  hasAny(isWanted: (series: number) => boolean): boolean {
    return this.#handles.some(([, series]) => series !== noSeries && isWanted(series));
  }

  /**
   * Series ids by metric handle. Undefined when none stood for anything yet: a deleted session had the same id.
   */
  at(position: JournalPosition): ReadonlyMap<number, number> | undefined {
    if (position < this.#from || position >= this.#until) this.#resolve(position);
    return this.#from === 0 ? undefined : this.#series;
  }

  #resolve(position: JournalPosition): void {
    this.#from = 0;
    this.#until = Number.POSITIVE_INFINITY;
    const series = new Map<number, number>();
    for (const [handle, id, since] of this.#handles) {
      series.set(handle, since <= position ? id : noSeries);
      if (since <= position) this.#from = Math.max(this.#from, since);
      else this.#until = Math.min(this.#until, since);
    }
    this.#series = series;
  }
}
