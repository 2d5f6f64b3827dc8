import { int64Length, varintLength, varintsLength, WireWriter } from "./wire-writer.ts";

/** M metrics x T times, as `telemetry.v1.Table` describes it. */
export interface Table {
  readonly metricHandles: ArrayLike<number>;
  readonly baseTimeMs: number;
  /** Whole milliseconds after the base time, below 2^32. */
  readonly offsetsMs: ArrayLike<number>;
  /** M x T values, one metric after the other. */
  readonly values: Float64Array;
}

/** The bytes of a `telemetry.v1.Batch`. They never change once the batch has its sequence. */
export function encodeBatch(deviceHandle: number, sequence: number, tables: readonly Table[]): Uint8Array {
  const tableBytes = tables.map(tableLength);
  const writer = new WireWriter(headerLength(deviceHandle, sequence) + tablesLength(tableBytes));
  writeHeader(writer, deviceHandle, sequence);
  writeTables(writer, tables, tableBytes);
  return writer.bytes;
}

/** The bytes of a batch before its tables: a load that sends the same tables again writes only these anew. */
export function encodeBatchHeader(deviceHandle: number, sequence: number): Uint8Array {
  const writer = new WireWriter(headerLength(deviceHandle, sequence));
  writeHeader(writer, deviceHandle, sequence);
  return writer.bytes;
}

/** The bytes of a batch behind its header. */
export function encodeTables(tables: readonly Table[]): Uint8Array {
  const tableBytes = tables.map(tableLength);
  const writer = new WireWriter(tablesLength(tableBytes));
  writeTables(writer, tables, tableBytes);
  return writer.bytes;
}

/**
 * A message of `StreamBatches` or `UploadBatches` that carries batches, from their encoded bytes: the
 * two requests have the same fields.
 */
export function encodeBatchesMessage(batches: readonly Uint8Array[]): Uint8Array {
  let inner = 0;
  for (const batch of batches) inner += 1 + varintLength(batch.length) + batch.length;
  const writer = new WireWriter(1 + varintLength(inner) + inner);
  writer.byte(0x12).varint(inner);
  for (const batch of batches) writer.byte(0x0a).varint(batch.length).raw(batch);
  return writer.bytes;
}

/** A `PushBatchRequest` from an encoded registration and an encoded batch. */
export function encodePushMessage(registration: Uint8Array, batch: Uint8Array): Uint8Array {
  const writer = new WireWriter(
    2 + varintLength(registration.length) + registration.length + varintLength(batch.length) + batch.length,
  );
  writer.byte(0x0a).varint(registration.length).raw(registration);
  writer.byte(0x12).varint(batch.length).raw(batch);
  return writer.bytes;
}

/** Bytes that `encodeBatchesMessage` adds to each batch. */
export function batchFrameLength(batch: Uint8Array): number {
  return 1 + varintLength(batch.length) + batch.length;
}

function headerLength(deviceHandle: number, sequence: number): number {
  return 1 + varintLength(deviceHandle) + 1 + varintLength(sequence);
}

function tablesLength(tableBytes: readonly number[]): number {
  let length = 0;
  for (const bytes of tableBytes) length += 1 + varintLength(bytes) + bytes;
  return length;
}

function writeHeader(writer: WireWriter, deviceHandle: number, sequence: number): void {
  writer.byte(0x08).varint(deviceHandle).byte(0x10).varint(sequence);
}

function writeTables(writer: WireWriter, tables: readonly Table[], tableBytes: readonly number[]): void {
  for (const [i, table] of tables.entries()) {
    writer.byte(0x1a).varint(tableBytes[i]);
    writer.byte(0x0a).varint(varintsLength(table.metricHandles)).varints(table.metricHandles);
    writer.byte(0x10).int64(table.baseTimeMs);
    writer.byte(0x1a).varint(varintsLength(table.offsetsMs)).varints(table.offsetsMs);
    writer.byte(0x22).varint(table.values.byteLength).doubles(table.values);
  }
}

function tableLength(table: Table): number {
  const handles = varintsLength(table.metricHandles);
  const offsets = varintsLength(table.offsetsMs);
  const values = table.values.byteLength;
  return (
    4 +
    varintLength(handles) +
    handles +
    int64Length(table.baseTimeMs) +
    varintLength(offsets) +
    offsets +
    varintLength(values) +
    values
  );
}
