/** A number per small id, NaN where none was set: 8 bytes each, where a Map would take some 50. */
export class NumberColumn {
  #values = new Float64Array(64).fill(Number.NaN);

  get(id: number): number {
    return this.#values[id] ?? Number.NaN;
  }

  set(id: number, value: number): void {
    if (id >= this.#values.length) {
      const grown = new Float64Array(Math.max(id + 1, this.#values.length * 2)).fill(Number.NaN);
      grown.set(this.#values);
      this.#values = grown;
    }
    this.#values[id] = value;
  }
}
