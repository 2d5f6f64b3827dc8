import { addToSketch, clearSketch, createSketchTable, mergeSketch, quantileOf } from "../lib/aggregate/sketch-table.ts";

const slots = 10;
const slotMs = 1_000;

/** Quantiles of the values of the last ten seconds, within 1 %: a sketch for each second. */
export class RecentQuantiles {
  readonly #sketches = createSketchTable(slots + 1);
  #slot = 0;

  constructor() {
    // The last one is all of them together, while they are read.
    for (let i = 0; i <= slots; i += 1) clearSketch(this.#sketches, i);
  }

  record(value: number, nowMs: number): void {
    this.#moveTo(nowMs);
    addToSketch(this.#sketches, this.#slot % slots, value);
  }

  /** @param quantiles 0 to 1 @returns NaN for each when there was no value */
  read(quantiles: readonly number[], nowMs: number): number[] {
    this.#moveTo(nowMs);
    clearSketch(this.#sketches, slots);
    for (let i = 0; i < slots; i += 1) mergeSketch(this.#sketches, slots, this.#sketches, i);
    return quantiles.map((q) => quantileOf(this.#sketches, slots, q));
  }

  #moveTo(nowMs: number): void {
    const slot = Math.floor(nowMs / slotMs);
    for (let i = Math.max(this.#slot, slot - slots) + 1; i <= slot; i += 1) clearSketch(this.#sketches, i % slots);
    this.#slot = slot;
  }
}
