/** The bytes are not a protobuf message. */
export class WireError extends Error {
  override readonly name = "WireError";
}

export const wireVarint = 0;
export const wireFixed64 = 1;
export const wireBytes = 2;
export const wireFixed32 = 5;

/**
 * Reads protobuf fields out of a buffer without making objects (encoding:
 * https://protobuf.dev/programming-guides/encoding/). It reads inside `pos`..`end` and throws
 * WireError where the bytes do not allow it: they come from outside.
 */
export class WireReader {
  bytes: Uint8Array = new Uint8Array(0);
  pos = 0;
  end = 0;
  /** Number and wire type of the field that `nextField` found. */
  field = 0;
  wireType = 0;

  /** Reads `bytes[start..end]` from now on. The bytes stay the caller's. */
  reset(bytes: Uint8Array, start = 0, end = bytes.length): this {
    this.bytes = bytes;
    this.pos = start;
    this.end = end;
    return this;
  }

  /** Moves to the next field's value. @returns false at the end. */
  nextField(): boolean {
    if (this.pos >= this.end) return false;
    const tag = this.uint53();
    if (tag > 0xffff_ffff) throw new WireError("a field number is over 2^29 - 1");
    this.field = tag >>> 3;
    this.wireType = tag & 7;
    if (this.field === 0) throw new WireError("field number 0");
    return true;
  }

  /** A varint of at most 53 bits. */
  uint53(): number {
    const { bytes } = this;
    let value = 0;
    let scale = 1;
    for (let i = 0; i < 10; i += 1) {
      if (this.pos >= this.end) throw new WireError("a number is cut off");
      const byte = bytes[this.pos++];
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        if (value > Number.MAX_SAFE_INTEGER) throw new WireError("a number is over 2^53 - 1");
        return value;
      }
      scale *= 128;
    }
    throw new WireError("a number is longer than 10 bytes");
  }

  /** The low 32 bits of a varint, as every protobuf reader takes a uint32. */
  uint32(): number {
    const { bytes } = this;
    let value = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      if (this.pos >= this.end) throw new WireError("a number is cut off");
      const byte = bytes[this.pos++];
      if (shift < 32) value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value >>> 0;
    }
    throw new WireError("a number is longer than 10 bytes");
  }

  /** A varint as int64. Beyond 2^53 it is rounded: far outside every time that we take. */
  int64(): number {
    const { bytes } = this;
    let low = 0;
    let high = 0;
    for (let i = 0; i < 10; i += 1) {
      if (this.pos >= this.end) throw new WireError("a number is cut off");
      const byte = bytes[this.pos++];
      const bits = byte & 0x7f;
      if (i < 4) low |= bits << (7 * i);
      else if (i === 4) {
        low |= bits << 28;
        high |= bits >>> 4;
      } else high |= bits << (7 * i - 32);
      if (byte < 0x80) return (high | 0) * 0x1_0000_0000 + (low >>> 0);
    }
    throw new WireError("a number is longer than 10 bytes");
  }

  /** Reads a length and moves to the value's start. @returns where the value ends. */
  span(): number {
    const length = this.uint53();
    const end = this.pos + length;
    if (end > this.end) throw new WireError("a field is longer than its message");
    return end;
  }

  /** Moves past the value of a field that is not ours. */
  skip(): void {
    if (this.wireType === wireVarint) this.int64();
    else if (this.wireType === wireFixed64) this.#advance(8);
    else if (this.wireType === wireBytes) this.pos = this.span();
    else if (this.wireType === wireFixed32) this.#advance(4);
    else throw new WireError(`wire type ${this.wireType}`);
  }

  /** Fails unless the field has this wire type. */
  expect(wireType: number): void {
    if (this.wireType !== wireType) throw new WireError(`field ${this.field} has wire type ${this.wireType}`);
  }

  #advance(length: number): void {
    if (this.pos + length > this.end) throw new WireError("a number is cut off");
    this.pos += length;
  }
}
