const slots = 10;
const slotMs = 1_000;

/** The largest of the values of the last ten seconds. */
export class RecentMax {
  readonly #max = new Float64Array(slots);
  #slot = 0;

  record(value: number, nowMs: number): void {
    this.#moveTo(nowMs);
    this.#max[this.#slot % slots] = Math.max(this.#max[this.#slot % slots], value);
  }

  /** 0 when there was none. */
  read(nowMs: number): number {
    this.#moveTo(nowMs);
    return Math.max(...this.#max);
  }

  #moveTo(nowMs: number): void {
    const slot = Math.floor(nowMs / slotMs);
    if (slot - this.#slot >= slots) this.#max.fill(0);
    else for (let i = this.#slot + 1; i <= slot; i += 1) this.#max[i % slots] = 0;
    this.#slot = slot;
  }
}
