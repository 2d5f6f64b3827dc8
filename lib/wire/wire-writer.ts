/** The bytes that a number takes as a varint. @param value whole, 0 to 2^53 - 1 */
export function varintLength(value: number): number {
  let length = 1;
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) length += 1;
  return length;
}

export function varintsLength(values: ArrayLike<number>): number {
  let length = 0;
  for (let i = 0; i < values.length; i += 1) length += varintLength(values[i]);
  return length;
}

/** A negative int64 takes all ten bytes. */
export function int64Length(value: number): number {
  return value < 0 ? 10 : varintLength(value);
}

/** Writes protobuf into a buffer of the exact length. */
export class WireWriter {
  readonly bytes: Uint8Array;
  #pos = 0;

  constructor(length: number) {
    this.bytes = new Uint8Array(length);
  }

  byte(value: number): this {
    this.bytes[this.#pos++] = value;
    return this;
  }

  varint(value: number): this {
    let rest = value;
    while (rest >= 0x80) {
      this.bytes[this.#pos++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    this.bytes[this.#pos++] = rest;
    return this;
  }

  varints(values: ArrayLike<number>): this {
    for (let i = 0; i < values.length; i += 1) this.varint(values[i]);
    return this;
  }

  int64(value: number): this {
    if (value >= 0) return this.varint(value);
    let bits = BigInt.asUintN(64, BigInt(value));
    for (let i = 0; i < 9; i += 1) {
      this.byte(Number(bits & 0x7fn) | 0x80);
      bits >>= 7n;
    }
    return this.byte(Number(bits));
  }

  doubles(values: Float64Array): this {
    return this.raw(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  }

  raw(bytes: Uint8Array): this {
    this.bytes.set(bytes, this.#pos);
    this.#pos += bytes.length;
    return this;
  }
}
