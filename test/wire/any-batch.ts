import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import fc from "fast-check";
import type { Table } from "../../lib/wire/batch-encoder.ts";
import { BatchSchema } from "../../proto/gen/telemetry/v1/batch_pb.js";

/** Batches of every shape, as our encoder, a generic one and a sloppy one would send them. */

const uint32 = fc.oneof(fc.nat(300), fc.nat(0xffff_ffff));

export const anyDeviceHandle = uint32;
export const anySequence = fc.oneof(fc.nat(300), fc.maxSafeNat());

/** A table whose sizes fit: none, some or many metrics and times, any values. */
export const anyTable: fc.Arbitrary<Table> = fc.tuple(fc.nat(5), fc.nat(8)).chain(([metrics, times]) =>
  fc.record({
    metricHandles: fc.array(uint32, { minLength: metrics, maxLength: metrics }),
    baseTimeMs: fc.oneof(fc.integer({ min: -300, max: 300 }), fc.maxSafeInteger()),
    offsetsMs: fc.array(uint32, { minLength: times, maxLength: times }),
    values: fc.float64Array({ minLength: metrics * times, maxLength: metrics * times }),
  }),
);

export const anyTables = fc.array(anyTable, { maxLength: 5 });

export function batchMessage(
  deviceHandle: number,
  sequence: number,
  tables: readonly Table[],
): MessageInitShape<typeof BatchSchema> {
  return {
    deviceHandle,
    sequence: BigInt(sequence),
    tables: tables.map((table) => ({
      metricHandles: Array.from(table.metricHandles),
      baseTimeUnixMs: BigInt(table.baseTimeMs),
      timeOffsetsMs: Array.from(table.offsetsMs),
      values: Array.from(table.values),
    })),
  };
}

/** The bytes of protobuf-es. */
export function genericBatch(deviceHandle: number, sequence: number, tables: readonly Table[]): Uint8Array {
  return toBinary(BatchSchema, create(BatchSchema, batchMessage(deviceHandle, sequence, tables)));
}

/**
 * A batch as another writer may send it, by the rules of protobuf: lists in several pieces, packed or
 * not, unknown fields between, scalars more than once, the header behind the tables.
 */
export const anySloppyBatch: fc.Arbitrary<Uint8Array> = fc
  .record({
    tables: anyTables,
    deviceHandle: anyDeviceHandle,
    sequence: anySequence,
    random: fc.infiniteStream(fc.nat(5)),
  })
  .map(({ tables, deviceHandle, sequence, random }) => {
    const choose = () => random.next().value as number;
    const writer = new BinaryWriter();
    const header = () => {
      writer.tag(2, WireType.Varint).uint64(sequence);
      writeUnknown(writer, choose());
      writer.tag(1, WireType.Varint).uint32(deviceHandle);
    };
    const headerFirst = choose() > 2;
    if (headerFirst) header();
    for (const table of tables) {
      writer.tag(3, WireType.LengthDelimited).bytes(sloppyTable(table, choose));
      writeUnknown(writer, choose());
    }
    if (!headerFirst) header();
    return writer.finish();
  });

function sloppyTable(table: Table, choose: () => number): Uint8Array {
  const writer = new BinaryWriter();
  const between = () => {
    writeUnknown(writer, choose());
    if (choose() === 0) writer.tag(2, WireType.Varint).int64(-1);
  };
  const list = (
    field: number,
    type: WireType,
    values: ArrayLike<number>,
    write: (to: BinaryWriter, value: number) => void,
  ) => {
    for (let i = 0; i < values.length; ) {
      const pieceEnd = Math.min(values.length, i + choose());
      if (pieceEnd <= i + 1) {
        write(writer.tag(field, type), values[i]);
        i += 1;
      } else {
        writer.tag(field, WireType.LengthDelimited).fork();
        for (; i < pieceEnd; i += 1) write(writer, values[i]);
        writer.join();
      }
      between();
    }
  };
  list(4, WireType.Bit64, table.values, (to, value) => to.double(value));
  list(3, WireType.Varint, table.offsetsMs, (to, value) => to.uint32(value));
  list(1, WireType.Varint, table.metricHandles, (to, value) => to.uint32(value));
  writer.tag(2, WireType.Varint).int64(table.baseTimeMs);
  return writer.finish();
}

/** A field that no reader knows, of each wire type. */
function writeUnknown(writer: BinaryWriter, choice: number): void {
  if (choice === 0) writer.tag(15, WireType.Varint).int64(-1);
  else if (choice === 1) writer.tag(16, WireType.Bit64).double(Math.PI);
  else if (choice === 2) writer.tag(2_047, WireType.LengthDelimited).string("from the future");
  else if (choice === 3) writer.tag(0x1fff_ffff, WireType.Bit32).fixed32(0xffff_ffff);
}
