import type { SeriesRange } from "../aggregate/roll-up.ts";

/** Ids that lie closer than this are read together: to skip a few rows is cheaper than another look-up. */
const gapMax = 8;

/** A set of series ids, as bits: 125 KB for a million series. */
export class SeriesIds {
  #bits = new Uint8Array(64);

  /** @returns whether it was not there before */
  add(id: number): boolean {
    const at = id >> 3;
    if (at >= this.#bits.length) {
      const grown = new Uint8Array(Math.max(at + 1, this.#bits.length * 2));
      grown.set(this.#bits);
      this.#bits = grown;
    }
    const bit = 1 << (id & 7);
    const isNew = (this.#bits[at] & bit) === 0;
    this.#bits[at] |= bit;
    return isNew;
  }

  has(id: number): boolean {
    return ((this.#bits[id >> 3] ?? 0) & (1 << (id & 7))) !== 0;
  }
}

/** Ranges that have all of these ids, and few others. @param ids ascending */
export function runsOf(ids: Int32Array): SeriesRange[] {
  const runs: SeriesRange[] = [];
  let first = 0;
  for (let i = 1; i <= ids.length; i += 1) {
    if (i < ids.length && ids[i] - ids[i - 1] <= gapMax) continue;
    runs.push({ first: ids[first], last: ids[i - 1] });
    first = i;
  }
  return runs;
}
