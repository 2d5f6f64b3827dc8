import { type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";
import type { Prng } from "../../lib/base/prng.ts";
import { dayMs } from "./batches.ts";

/** Draws messages from their schema, and spoils them: most are almost right, so that they come far. */
export class MalformedMessages {
  readonly #prng: Prng;

  constructor(prng: Prng) {
    this.#prng = prng;
  }

  next(schema: DescMessage): Buffer {
    return this.#spoil(this.#message(schema, 0));
  }

  #message(schema: DescMessage, depth: number): Buffer {
    const fields: Buffer[] = [];
    for (const field of schema.fields) {
      // One of a group, mostly; each of the others, mostly.
      const share = field.oneof === undefined ? 0.8 : 1.2 / field.oneof.fields.length;
      if (this.#chance(share)) fields.push(this.#field(field, depth));
      if (this.#chance(0.02)) fields.push(this.#field(field, depth));
    }
    if (this.#chance(0.02)) fields.push(this.#unknown());
    if (this.#chance(0.05)) fields.reverse();
    return Buffer.concat(fields);
  }

  #field(field: DescField, depth: number): Buffer {
    if (this.#chance(0.02)) return this.#wrong(field.number);
    if (field.fieldKind === "list" && field.listKind !== "message" && this.#chance(0.9)) {
      const scalar = field.listKind === "enum" ? ScalarType.UINT32 : field.scalar;
      if (scalar !== ScalarType.STRING && scalar !== ScalarType.BYTES) {
        const values = Array.from({ length: this.#prng.below(4) }, () => this.#scalar(scalar, field.name));
        return this.#bytes(field.number, Buffer.concat(values));
      }
    }
    const times = field.fieldKind === "list" || field.fieldKind === "map" ? this.#prng.below(3) : 1;
    return Buffer.concat(Array.from({ length: times }, () => this.#value(field, depth)));
  }

  #value(field: DescField, depth: number): Buffer {
    const { number, message } = field;
    if (field.fieldKind === "map") return this.#bytes(number, this.#entry());
    if (message !== undefined)
      return this.#bytes(number, depth < 6 ? this.#message(message, depth + 1) : Buffer.alloc(0));
    const scalar = field.scalar ?? ScalarType.UINT32;
    const value = this.#scalar(scalar, field.name);
    if (scalar === ScalarType.STRING || scalar === ScalarType.BYTES) return this.#bytes(number, value);
    return Buffer.concat([tag(number, wireTypeOf(scalar)), value]);
  }

  #entry(): Buffer {
    const [key, value] = [this.#text(), this.#text()];
    return Buffer.concat([this.#bytes(1, key), this.#bytes(2, value)]);
  }

  #scalar(scalar: ScalarType, name: string): Buffer {
    const { DOUBLE, FLOAT, FIXED32, SFIXED32, FIXED64, SFIXED64, STRING, BYTES, SINT32, SINT64 } = ScalarType;
    switch (scalar) {
      case STRING:
        return this.#text();
      case BYTES:
        return name === "spool_id" && this.#chance(0.9) ? Buffer.alloc(16, 1) : this.#random(this.#prng.below(40));
      case DOUBLE: {
        const bytes = Buffer.alloc(8);
        bytes.writeDoubleLE(this.#pick([1, 0, -1, Number.NaN, Number.POSITIVE_INFINITY, 1e308, 5e-324, 0.5]));
        return bytes;
      }
      case FLOAT:
      case FIXED32:
      case SFIXED32:
        return this.#random(4);
      case FIXED64:
      case SFIXED64:
        return this.#random(8);
      case SINT32:
      case SINT64:
        return varint(BigInt(this.#prng.below(100)));
      default: {
        const time = name.includes("time") || name === "seconds" ? [BigInt(dayMs), BigInt(dayMs / 1000)] : [];
        return varint(this.#pick([1n, 1n, 1n, 2n, 3n, ...time, ...time, 0n, -1n, 2n ** 31n, 2n ** 53n, 2n ** 63n]));
      }
    }
  }

  #text(): Buffer {
    const id = `fuzz-${this.#prng.below(50)}`;
    const odd = ["", "x".repeat(300), "a\u0000b", "\u{1f600}".repeat(100), "*", "truck-*", "%", "../..", "'"];
    if (this.#chance(0.05)) return Buffer.of(0xff, 0xc0, 0xaf, 0xed, 0xa0, 0x80);
    return Buffer.from(this.#chance(0.15) ? this.#pick(odd) : this.#pick([id, id, "temperature", "site"]));
  }

  /** What no field may be. */
  #wrong(number: number): Buffer {
    switch (this.#prng.below(6)) {
      case 0:
        return Buffer.concat([tag(number, this.#prng.below(8)), this.#random(this.#prng.below(12))]);
      case 1:
        return Buffer.concat([tag(number, 0), Buffer.alloc(11, 0xff)]);
      case 2:
        return Buffer.concat([tag(number, 2), varint(this.#pick([2n ** 31n, 2n ** 32n - 1n, 2n ** 63n, 100n]))]);
      case 3:
        return Buffer.concat([tag(number, 3), Buffer.alloc(this.#prng.below(3_000), 0x0b)]);
      case 4:
        return this.#nested(number, 100 + this.#prng.below(200));
      default:
        return Buffer.concat([tag(0, 0), Buffer.of(1)]);
    }
  }

  #nested(number: number, depth: number): Buffer {
    let bytes: Buffer = Buffer.alloc(0);
    for (let i = 0; i < depth; i += 1) bytes = this.#bytes(number, bytes);
    return bytes;
  }

  #unknown(): Buffer {
    const one = Buffer.concat([tag(1_000 + this.#prng.below(1_000), 0), varint(1n)]);
    return Buffer.alloc(one.length * (this.#chance(0.1) ? 5_000 : 3), one);
  }

  #spoil(bytes: Buffer): Buffer {
    switch (this.#prng.below(20)) {
      case 0:
        return bytes.subarray(0, this.#prng.below(bytes.length + 1));
      case 1:
        for (let i = 0; bytes.length > 0 && i < 3; i += 1)
          bytes[this.#prng.below(bytes.length)] = this.#prng.below(256);
        return bytes;
      case 2:
        return Buffer.concat([bytes, this.#random(this.#prng.below(20))]);
      case 3:
        return this.#random(this.#prng.below(200));
      default:
        return bytes;
    }
  }

  #bytes(number: number, value: Uint8Array): Buffer {
    return Buffer.concat([tag(number, 2), varint(BigInt(value.length)), value]);
  }

  #random(length: number): Buffer {
    return Buffer.from(this.#prng.bytes(length));
  }

  #chance(part: number): boolean {
    return this.#prng.uniform() < part;
  }

  #pick<T>(values: readonly T[]): T {
    return values[this.#prng.below(values.length)];
  }
}

function tag(number: number, wireType: number): Buffer {
  return varint(BigInt(number * 8 + wireType));
}

function varint(value: bigint): Buffer {
  const bytes: number[] = [];
  let left = BigInt.asUintN(64, value);
  for (; left > 127n; left >>= 7n) bytes.push(Number(left & 127n) | 128);
  return Buffer.of(...bytes, Number(left));
}

function wireTypeOf(scalar: ScalarType): number {
  const { DOUBLE, FIXED64, SFIXED64, FLOAT, FIXED32, SFIXED32 } = ScalarType;
  if (scalar === DOUBLE || scalar === FIXED64 || scalar === SFIXED64) return 1;
  return scalar === FLOAT || scalar === FIXED32 || scalar === SFIXED32 ? 5 : 0;
}
