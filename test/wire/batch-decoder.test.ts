import { fromBinary } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { batchBytesMax, batchSamplesMax, batchTablesMax } from "../../lib/base/limits.ts";
import { BatchDecoder, BatchRefused, readBatchHeader } from "../../lib/wire/batch-decoder.ts";
import { encodeBatch, type Table } from "../../lib/wire/batch-encoder.ts";
import { WireError, WireReader } from "../../lib/wire/wire-reader.ts";
import { BatchSchema, RefusalReason } from "../../proto/gen/telemetry/v1/batch_pb.js";
import { anyDeviceHandle, anySequence, anySloppyBatch, anyTables, genericBatch } from "./any-batch.ts";

/** One for all tests: what a batch leaves behind must not show in the next. */
const decoder = new BatchDecoder();

interface PlainTable {
  readonly metricHandles: readonly number[];
  readonly timesMs: readonly number[];
  readonly values: readonly number[];
}

function decode(bytes: Uint8Array, start = 0, end = bytes.length): PlainTable[] {
  decoder.decode(bytes, start, end);
  const { metricStart, timeStart, valueStart } = decoder;
  return Array.from({ length: decoder.tableCount }, (_, i) => ({
    metricHandles: Array.from(decoder.metricHandles.subarray(metricStart[i], metricStart[i + 1])),
    timesMs: Array.from(decoder.timesMs.subarray(timeStart[i], timeStart[i + 1])),
    values: Array.from(decoder.values.subarray(valueStart[i], valueStart[i + 1])),
  }));
}

function genericDecode(bytes: Uint8Array): PlainTable[] {
  return fromBinary(BatchSchema, bytes).tables.map((table) => ({
    metricHandles: table.metricHandles,
    timesMs: table.timeOffsetsMs.map((offsetMs) => Number(table.baseTimeUnixMs) + offsetMs),
    values: table.values,
  }));
}

function header(bytes: Uint8Array, start = 0, end = bytes.length) {
  return readBatchHeader(new WireReader().reset(bytes, start, end));
}

function genericHeader(bytes: Uint8Array) {
  const { deviceHandle, sequence } = fromBinary(BatchSchema, bytes);
  return { deviceHandle, sequence: Number(sequence), start: 0, end: bytes.length };
}

function genericReads(bytes: Uint8Array): boolean {
  try {
    fromBinary(BatchSchema, bytes);
    return true;
  } catch {
    return false;
  }
}

/** `bytes` with others before and after. */
function surround(bytes: Uint8Array, filler: number): Uint8Array {
  const buffer = new Uint8Array(bytes.length + 40).fill(filler);
  buffer.set(bytes, 20);
  return buffer;
}

/** What comes of decoding `bytes` between others: tables and header, or why not. Anything else is a crash. */
function outcome(bytes: Uint8Array, filler: number) {
  const buffer = surround(bytes, filler);
  const end = 20 + bytes.length;
  const attempt = <T>(read: () => T) => {
    try {
      return { read: read() };
    } catch (error) {
      if (error instanceof BatchRefused) return { refused: error.reason, detail: error.message };
      if (error instanceof WireError) return { broken: error.message };
      throw error;
    }
  };
  return { tables: attempt(() => decode(buffer, 20, end)), header: attempt(() => header(buffer, 20, end)) };
}

/** Random bytes; valid batches; valid batches cut off, with bits flipped or with bytes replaced. */
const anyBytes: fc.Arbitrary<Uint8Array> = fc.oneof(
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 200 }) },
  {
    weight: 4,
    arbitrary: fc
      .record({
        valid: fc.oneof(
          anySloppyBatch,
          anyTables.map((tables) => encodeBatch(1, 2, tables)),
        ),
        cut: fc.option(fc.nat()),
        flips: fc.array(fc.nat(), { maxLength: 4 }),
        writes: fc.array(fc.tuple(fc.nat(), fc.constantFrom(0, 1, 0x7f, 0x80, 0xff)), { maxLength: 2 }),
      })
      .map(({ valid, cut, flips, writes }) => {
        const bytes = valid.slice(0, cut === null ? undefined : cut % (valid.length + 1));
        if (bytes.length === 0) return bytes;
        for (const bit of flips) bytes[(bit >>> 3) % bytes.length] ^= 1 << (bit & 7);
        for (const [at, byte] of writes) bytes[at % bytes.length] = byte;
        return bytes;
      }),
  },
);

function refusal(bytes: Uint8Array): BatchRefused {
  try {
    decode(bytes);
  } catch (error) {
    if (error instanceof BatchRefused) return error;
    throw error;
  }
  throw new Error("the batch was not refused");
}

function tableOf(metrics: number, times: number, values = metrics * times): Table {
  return {
    metricHandles: Uint32Array.from({ length: metrics }, (_, i) => i + 1),
    baseTimeMs: 0,
    offsetsMs: new Uint8Array(times),
    values: new Float64Array(values),
  };
}

describe("BatchDecoder and readBatchHeader", () => {
  it("read what generic encoding writes", () => {
    fc.assert(
      fc.property(anyDeviceHandle, anySequence, anyTables, (deviceHandle, sequence, tables) => {
        const bytes = genericBatch(deviceHandle, sequence, tables);
        expect(decode(bytes)).toEqual(genericDecode(bytes));
        expect(header(bytes)).toEqual({ deviceHandle, sequence, start: 0, end: bytes.length });
      }),
    );
  });

  it("agree with generic decoding on lists in pieces, unpacked lists, unknown and repeated fields", () => {
    fc.assert(
      fc.property(anySloppyBatch, (bytes) => {
        expect(decode(bytes)).toEqual(genericDecode(bytes));
        expect(header(bytes)).toEqual(genericHeader(bytes));
      }),
    );
  });

  it("fail in no other way than they say, and never see bytes outside their range", () => {
    fc.assert(
      fc.property(anyBytes, (bytes) => {
        const want = outcome(bytes, 0x00);
        expect(outcome(bytes, 0x01)).toEqual(want);
        expect(outcome(bytes, 0x80)).toEqual(want);
        expect(outcome(bytes, 0xff)).toEqual(want);
      }),
      { numRuns: 2_000 },
    );
  });

  it("read from damaged bytes the same as generic decoding, where both can read them", () => {
    fc.assert(
      fc.property(anyBytes, (bytes) => {
        const { tables, header } = outcome(bytes, 0xff);
        fc.pre("read" in tables && "read" in header && genericReads(bytes));
        expect(tables.read).toEqual(genericDecode(bytes));
        expect(header.read).toEqual({ ...genericHeader(bytes), start: 20, end: 20 + bytes.length });
      }),
      { numRuns: 1_000, maxSkipsPerRun: 1_000 },
    );
  });
});

describe("readBatchHeader", () => {
  it("reads the header of a batch whose tables are damaged", () => {
    const bytes = encodeBatch(7, 42, [tableOf(2, 3)]);
    const damaged = bytes.with(6, 0xff);
    expect(refusal(damaged).reason).toBe(RefusalReason.MALFORMED_BATCH);
    expect(header(damaged)).toEqual({ deviceHandle: 7, sequence: 42, start: 0, end: bytes.length });
  });

  it("refuses a header that it cannot read", () => {
    function f(write: (writer: BinaryWriter) => void, want: string): void {
      const writer = new BinaryWriter();
      write(writer);
      const bytes = writer.finish();
      expect(() => header(bytes)).toThrow(WireError);
      expect(() => header(bytes)).toThrow(want);
    }
    f((to) => to.tag(1, WireType.Bit32).fixed32(7), "field 1 has wire type 5");
    f((to) => to.tag(2, WireType.LengthDelimited).string("1"), "field 2 has wire type 2");
    f((to) => to.tag(2, WireType.Varint).uint64(2n ** 53n), "a number is over 2^53 - 1");
    f((to) => to.tag(2, WireType.Varint), "a number is cut off");
    f((to) => to.tag(3, WireType.LengthDelimited).uint32(1), "a field is longer than its message");
  });

  it("gives zero for what is missing", () => {
    expect(header(new Uint8Array())).toEqual({ deviceHandle: 0, sequence: 0, start: 0, end: 0 });
  });
});

describe("BatchDecoder", () => {
  it("counts samples, absent ones included", () => {
    function f(tables: readonly Table[], want: number): void {
      decode(encodeBatch(1, 1, tables));
      expect(decoder.sampleCount).toBe(want);
    }
    f([], 0);
    f([tableOf(0, 0)], 0);
    f([tableOf(2, 3), tableOf(0, 5), tableOf(1, 1)], 7);
    f([{ ...tableOf(1, 2), values: Float64Array.of(1, Number.NaN) }], 2);
  });

  it("takes batches as large as the limits allow", () => {
    expect(decode(encodeBatch(1, 1, [tableOf(100, batchSamplesMax / 100)]))[0].values).toHaveLength(batchSamplesMax);
    expect(decode(encodeBatch(1, 1, new Array(batchTablesMax).fill(tableOf(1, 1))))).toHaveLength(batchTablesMax);
    expect(decode(paddedTo(batchBytesMax))).toHaveLength(1);
  });

  it("refuses batches over a limit, and names field and limit", () => {
    function f(bytes: Uint8Array, ...want: readonly string[]): void {
      const error = refusal(bytes);
      expect(error.reason).toBe(RefusalReason.BATCH_TOO_LARGE);
      for (const text of [...want, "smaller batches"]) expect(error.message).toContain(text);
    }
    f(paddedTo(batchBytesMax + 1), `batch has ${batchBytesMax + 1} bytes`, `the limit is ${batchBytesMax}`);
    f(encodeBatch(1, 1, [tableOf(1, 1, batchSamplesMax + 1)]), "batch has more samples", `${batchSamplesMax}`);
    const half = tableOf(50, batchSamplesMax / 100);
    f(encodeBatch(1, 1, [half, half, tableOf(1, 1)]), "batch has more samples", `${batchSamplesMax}`);
    f(encodeBatch(1, 1, new Array(batchTablesMax + 1).fill(tableOf(0, 0))), "batch.tables", `${batchTablesMax}`);
    f(encodeBatch(1, 1, [tableOf(batchSamplesMax + 1, 0)]), "batch.tables.metric_handles", `${batchSamplesMax}`);
    f(encodeBatch(1, 1, [tableOf(0, batchSamplesMax + 1)]), "batch.tables.time_offsets_ms", `${batchSamplesMax}`);
  });

  it("refuses a table whose values are not metrics x times, and names it", () => {
    function f(metrics: number, times: number, values: number): void {
      const error = refusal(encodeBatch(1, 1, [tableOf(1, 1), tableOf(metrics, times, values)]));
      expect(error.reason).toBe(RefusalReason.SIZE_MISMATCH);
      expect(error.message).toContain(
        `batch.tables[1].values has ${values} entries for ${metrics} metrics x ${times} times = ${metrics * times}`,
      );
    }
    f(2, 3, 5);
    f(2, 3, 7);
    f(2, 3, 0);
    f(0, 3, 3);
    f(3, 0, 3);
    f(0, 0, 1);
    f(1_000, 1_000, 1);
  });

  it("refuses tables that cannot be read, and says which", () => {
    function f(table: (writer: BinaryWriter) => void, want: string): void {
      const writer = new BinaryWriter().tag(3, WireType.LengthDelimited).fork();
      writer.join().tag(3, WireType.LengthDelimited).fork();
      table(writer);
      const error = refusal(writer.join().finish());
      expect(error.reason).toBe(RefusalReason.MALFORMED_BATCH);
      expect(error.message).toContain(`batch.tables[1] cannot be read: ${want}`);
    }
    f((to) => to.tag(4, WireType.LengthDelimited).bytes(new Uint8Array(7)), "values have 7 bytes");
    f((to) => to.tag(4, WireType.Bit64).fixed32(1), "a number is cut off");
    f((to) => to.tag(4, WireType.Bit32).float(1), "field 4 has wire type 5");
    f((to) => to.tag(2, WireType.Bit64).double(1), "field 2 has wire type 1");
    f((to) => to.tag(1, WireType.Bit32).float(1), "field 1 has wire type 5");
    f((to) => to.tag(1, WireType.LengthDelimited).bytes(Uint8Array.of(0x80)), "a number is cut off");
    f((to) => to.tag(3, WireType.LengthDelimited).uint32(100), "a field is longer than its message");
    f((to) => to.tag(9, WireType.StartGroup).tag(9, WireType.EndGroup), "wire type 3");
  });

  it("decodes a good batch after a refused one", () => {
    const good = encodeBatch(1, 1, [{ ...tableOf(1, 2), baseTimeMs: 5, values: Float64Array.of(1, 2) }]);
    const want = decode(good);
    refusal(encodeBatch(1, 1, [tableOf(3, 3), tableOf(2, 3, 5)]));
    refusal(good.subarray(0, -1));
    expect(decode(good)).toEqual(want);
  });
});

/** A valid batch of one table, made this long by a field that nobody knows. */
function paddedTo(length: number): Uint8Array {
  const batch = encodeBatch(1, 1, [tableOf(1, 1)]);
  const tagAndLength = 1 + 3;
  const padding = new BinaryWriter().tag(15, WireType.LengthDelimited);
  padding.bytes(new Uint8Array(length - batch.length - tagAndLength));
  const bytes = Buffer.concat([batch, padding.finish()]);
  expect(bytes).toHaveLength(length);
  return bytes;
}
