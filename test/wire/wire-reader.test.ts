import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { WireError, WireReader } from "../../lib/wire/wire-reader.ts";

const anyInt64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
const anyUint64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });

function reader(...bytes: readonly number[]): WireReader {
  return new WireReader().reset(Uint8Array.from(bytes));
}

describe("WireReader", () => {
  it("reads unsigned numbers up to 2^53 - 1 and refuses larger ones", () => {
    fc.assert(
      fc.property(fc.oneof(anyUint64, fc.maxSafeNat().map(BigInt)), (number) => {
        const read = () => new WireReader().reset(new BinaryWriter().uint64(number).finish()).uint53();
        if (number <= BigInt(Number.MAX_SAFE_INTEGER)) expect(read()).toBe(Number(number));
        else expect(read).toThrow("a number is over 2^53 - 1");
      }),
    );
    const edge = (number: bigint) => new WireReader().reset(new BinaryWriter().uint64(number).finish());
    expect(edge(2n ** 53n - 1n).uint53()).toBe(Number.MAX_SAFE_INTEGER);
    expect(() => edge(2n ** 53n).uint53()).toThrow(WireError);
  });

  it("reads signed numbers, rounded where a double must round", () => {
    fc.assert(
      fc.property(fc.oneof(anyInt64, fc.maxSafeInteger().map(BigInt)), (number) => {
        const read = new WireReader().reset(new BinaryWriter().int64(number).finish());
        expect(read.int64()).toBe(Number(number));
        expect(read.pos).toBe(read.end);
      }),
    );
  });

  it("reads the low 32 bits of a number, as every protobuf reader does", () => {
    fc.assert(
      fc.property(anyUint64, (number) => {
        const read = new WireReader().reset(new BinaryWriter().uint64(number).finish());
        expect(read.uint32()).toBe(Number(BigInt.asUintN(32, number)));
        expect(read.pos).toBe(read.end);
      }),
    );
  });

  it("skips a field of any wire type to the start of the next", () => {
    const writer = new BinaryWriter();
    writer.tag(1, WireType.Varint).int64(-1);
    writer.tag(2, WireType.Bit64).double(1);
    writer.tag(3, WireType.LengthDelimited).string("text");
    writer.tag(4, WireType.Bit32).float(1);
    const read = new WireReader().reset(writer.finish());
    const fields: number[] = [];
    while (read.nextField()) {
      fields.push(read.field);
      read.skip();
    }
    expect(fields).toEqual([1, 2, 3, 4]);
  });

  it("refuses what is not protobuf, and says why", () => {
    function f(bytes: readonly number[], read: (reader: WireReader) => unknown, want: string): void {
      expect(() => read(reader(...bytes))).toThrow(WireError);
      expect(() => read(reader(...bytes))).toThrow(want);
    }
    const skipField = (read: WireReader) => read.nextField() && read.skip();
    const endless = new Array(11).fill(0x80);
    for (const read of ["uint32", "uint53", "int64"] as const) {
      f([], (from) => from[read](), "a number is cut off");
      f([0x80], (from) => from[read](), "a number is cut off");
      f(endless, (from) => from[read](), "a number is longer than 10 bytes");
    }
    f([0x00], (read) => read.nextField(), "field number 0");
    f([0x07], (read) => read.nextField(), "field number 0");
    f([0x09, 1, 2, 3, 4, 5, 6, 7], skipField, "a number is cut off");
    f([0x0d, 1, 2, 3], skipField, "a number is cut off");
    f([0x0a, 2, 1], skipField, "a field is longer than its message");
    f([0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f], skipField, "a field is longer than its message");
    f([0x0b], skipField, "wire type 3");
    f([0x0f], skipField, "wire type 7");
    f([0x0a, 0], (read) => read.nextField() && read.expect(0), "field 1 has wire type 2");
  });

  it("stays inside the range that it was given", () => {
    const bytes = Uint8Array.of(0x08, 0x81, 0x01, 0x08, 0x01);
    const read = new WireReader().reset(bytes, 1, 2);
    expect(() => read.uint32()).toThrow("a number is cut off");
    expect(read.reset(bytes, 1, 3).uint32()).toBe(129);
    expect(read.nextField()).toBe(false);
  });
});
