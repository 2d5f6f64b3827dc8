/** Tag and length of a column. */
export const columnHeadBytes = 2 + 5;

/**
 * The bytes of a message whose columns are packed lists. A column of doubles has the bytes of the list already
 * (little-endian, as every machine of Node is): it is copied whole.
 */
export class PackedColumns {
  readonly #bytes: Uint8Array;
  #at: number;

  /**
   * @param head the fields before the columns
   * @param bytesMax of all columns: 8 for a double, up to 5 for a number of 32 bits, and `columnHeadBytes` for each
   */
  constructor(head: Uint8Array, bytesMax: number) {
    this.#bytes = new Uint8Array(head.length + bytesMax);
    this.#bytes.set(head);
    this.#at = head.length;
  }

  doubles(field: number, column: Float64Array, length: number): void {
    if (length === 0) return;
    this.#tag(field);
    this.#varint(length * 8);
    this.#bytes.set(new Uint8Array(column.buffer, column.byteOffset, length * 8), this.#at);
    this.#at += length * 8;
  }

  varints(field: number, length: number, numberAt: (i: number) => number): void {
    if (length === 0) return;
    this.#tag(field);
    // Its length stands before it: room for the longest, moved up when it is known.
    const from = this.#at + 5;
    const headAt = this.#at;
    this.#at = from;
    for (let i = 0; i < length; i += 1) this.#varint(numberAt(i));
    const end = this.#at;
    this.#at = headAt;
    this.#varint(end - from);
    this.#bytes.copyWithin(this.#at, from, end);
    this.#at += end - from;
  }

  /** Bytes that are the caller's, in a buffer of their own. */
  take(): Uint8Array {
    return this.#bytes.subarray(0, this.#at);
  }

  #tag(field: number): void {
    this.#varint((field << 3) | lengthDelimited);
  }

  #varint(value: number): void {
    const bytes = this.#bytes;
    let rest = value;
    while (rest > 0x7f) {
      bytes[this.#at++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    bytes[this.#at++] = rest;
  }
}

const lengthDelimited = 2;
