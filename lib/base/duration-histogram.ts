/** Upper bounds of the buckets, in seconds: from what a commit on a fast disk takes to what somebody has to look at. */
export const histogramBounds = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
] as const;

/** How often something took how long, as it crosses threads. */
export interface HistogramCounts {
  /** Of each bucket by itself, the one behind the last bound too. */
  readonly counts: readonly number[];
  readonly sumSeconds: number;
}

/** Durations since the start, in buckets. */
export class DurationHistogram {
  readonly #counts = new Array<number>(histogramBounds.length + 1).fill(0);
  #sumMs = 0;

  record(durationMs: number): void {
    const seconds = durationMs / 1_000;
    let bucket = 0;
    while (bucket < histogramBounds.length && seconds > histogramBounds[bucket]) bucket += 1;
    this.#counts[bucket] += 1;
    this.#sumMs += durationMs;
  }

  read(): HistogramCounts {
    return { counts: [...this.#counts], sumSeconds: this.#sumMs / 1_000 };
  }
}
