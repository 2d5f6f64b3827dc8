/** Which series a call has been told, a bit each. */
export class ToldSeries {
  #bits = new Uint8Array(8);

  /** @param ordinal of the series in its selection. @returns whether it had not been told */
  tell(ordinal: number): boolean {
    const at = ordinal >> 3;
    if (at >= this.#bits.length) {
      const larger = new Uint8Array(Math.max(at + 1, this.#bits.length * 2));
      larger.set(this.#bits);
      this.#bits = larger;
    }
    const bit = 1 << (ordinal & 7);
    const isNew = (this.#bits[at] & bit) === 0;
    this.#bits[at] |= bit;
    return isNew;
  }
}
