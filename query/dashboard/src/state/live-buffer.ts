/**
 * The latest rows of a live view. While it is paused what is shown stands still, and what comes is kept beside it up to
 * the same bound: the oldest go first, and are counted.
 */
export class LiveBuffer<T> {
  readonly #sizeMax: number;
  #shown: T[] = [];
  #waiting: T[] | undefined;
  #passed = 0;

  /** @param sizeMax rows that are shown at most, and wait at most */
  constructor(sizeMax: number) {
    this.#sizeMax = sizeMax;
  }

  /** Oldest first. */
  get shown(): readonly T[] {
    return this.#shown;
  }

  get isPaused(): boolean {
    return this.#waiting !== undefined;
  }

  /** Rows that came while it is paused, and are kept. */
  get waiting(): number {
    return this.#waiting?.length ?? 0;
  }

  /** Rows that came while it is paused, and were too many to keep. */
  get passed(): number {
    return this.#passed;
  }

  push(rows: readonly T[]): void {
    const [kept, left] = this.#latest(this.#waiting ?? this.#shown, rows);
    if (this.#waiting === undefined) this.#shown = kept;
    else {
      this.#waiting = kept;
      this.#passed += left;
    }
  }

  pause(): void {
    this.#waiting ??= [];
  }

  /** Shows what has come meanwhile. */
  resume(): void {
    if (this.#waiting === undefined) return;
    [this.#shown] = this.#latest(this.#shown, this.#waiting);
    this.#waiting = undefined;
    this.#passed = 0;
  }

  clear(): void {
    this.#shown = [];
    if (this.#waiting !== undefined) this.#waiting = [];
    this.#passed = 0;
  }

  /** A new list, since the one before may be on the screen; and how many were left out. */
  #latest(rows: readonly T[], more: readonly T[]): [T[], number] {
    const left = Math.max(0, rows.length + more.length - this.#sizeMax);
    return [[...rows.slice(left), ...more.slice(Math.max(0, left - rows.length))], left];
  }
}
