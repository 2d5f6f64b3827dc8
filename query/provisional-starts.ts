import { provisionalStartsMax } from "../lib/base/limits.ts";

/** Which windows of a selection its subscribers know as provisional: what of them becomes final no commit tells. */
export class ProvisionalStarts {
  readonly #series = new Map<number, Set<number>>();
  #size = 0;
  #overflowed = false;

  /** No window of these starts earlier; infinity: there is none. Undefined: there are too many to know them all. */
  get earliestMs(): number | undefined {
    if (this.#overflowed) return undefined;
    let earliestMs = Number.POSITIVE_INFINITY;
    for (const startMs of this.#series.keys()) earliestMs = Math.min(earliestMs, startMs);
    return earliestMs;
  }

  set(series: number, startMs: number, isProvisional: boolean): void {
    if (this.#overflowed) return;
    if (isProvisional) this.#add(series, startMs);
    else this.#delete(series, startMs);
  }

  /** Nothing of the series is told any more. */
  drop(series: number): void {
    for (const startMs of [...this.#series.keys()]) this.#delete(series, startMs);
  }

  #add(series: number, startMs: number): void {
    const ofStart = this.#series.get(startMs) ?? new Set();
    if (ofStart.has(series)) return;
    this.#series.set(startMs, ofStart.add(series));
    this.#size += 1;
    if (this.#size <= provisionalStartsMax) return;
    this.#overflowed = true;
    this.#series.clear();
  }

  #delete(series: number, startMs: number): void {
    const ofStart = this.#series.get(startMs);
    if (ofStart?.delete(series) !== true) return;
    this.#size -= 1;
    if (ofStart.size === 0) this.#series.delete(startMs);
  }
}
