import { fromBinary } from "@bufbuild/protobuf";
import { errorMessage, invalidField, TelemetryError } from "../../lib/base/errors.ts";
import { type BatchHeader, readBatchHeader } from "../../lib/wire/batch-decoder.ts";
import { WireError, WireReader, wireBytes } from "../../lib/wire/wire-reader.ts";
import { type NamedRows, NamedRowsSchema } from "../../proto/gen/bench/v1/named_service_pb.js";
import type { EncodedBatch, NamedBatch } from "./named-batch.ts";
import { RowColumns } from "./row-columns.ts";

const rowColumns = new RowColumns();
const reader = new WireReader();

/** A `bench.v1.NamedRows`, decoded as generated code does. @returns tables that are valid until the next call @throws TelemetryError */
export function readNamedRows(body: Buffer): NamedBatch {
  let message: NamedRows;
  try {
    message = fromBinary(NamedRowsSchema, body, { readUnknownFields: false });
  } catch (error) {
    throw unreadable("bench.v1.NamedRows", error);
  }
  const { deviceId, spoolId, sequence, rows } = message;
  if (rows.length === 0) throw invalidField("rows", "is empty", "send at least one");
  rowColumns.begin(rows.length);
  for (const { metric, timeUnixMs, value } of rows) {
    const timeMs = Number(timeUnixMs);
    if (!Number.isSafeInteger(timeMs)) throw invalidField("time_unix_ms", `is ${timeUnixMs}`, "send less than 2^53");
    rowColumns.add(metric, timeMs, value);
  }
  const spool = Buffer.from(spoolId.buffer, spoolId.byteOffset, spoolId.length).toString("hex");
  return { deviceId, spoolId: spool, sequence: Number(sequence), tables: rowColumns.tables() };
}

/** A `bench.v1.PushNamedRequest`: names and head of the batch are read, its tables are not. @throws TelemetryError */
export function readNamedColumns(body: Buffer): EncodedBatch {
  try {
    return readColumns(body);
  } catch (error) {
    throw error instanceof WireError ? unreadable("bench.v1.PushNamedRequest", error) : error;
  }
}

function readColumns(body: Buffer): EncodedBatch {
  let deviceId = "";
  let spoolId = "";
  const metrics: string[] = [];
  let header: BatchHeader | undefined;
  reader.reset(body);
  while (reader.nextField()) {
    const { field } = reader;
    if (field > 4) {
      reader.skip();
      continue;
    }
    reader.expect(wireBytes);
    const end = reader.span();
    if (field === 1) deviceId = body.toString("utf8", reader.pos, end);
    else if (field === 2) spoolId = body.toString("hex", reader.pos, end);
    else if (field === 3) metrics.push(body.toString("utf8", reader.pos, end));
    else header = readHeader(end);
    reader.pos = end;
  }
  if (header === undefined) throw invalidField("batch", "is missing", "send one");
  if (metrics.length === 0) throw invalidField("metrics", "is empty", "send the names of handles 1, 2, ...");
  const { deviceHandle, sequence } = header;
  return { deviceId, spoolId, metrics, deviceHandle, sequence, bytes: body.subarray(header.start, header.end) };
}

/** Reads up to `end` with the same reader. */
function readHeader(end: number): BatchHeader {
  const messageEnd = reader.end;
  reader.end = end;
  const header = readBatchHeader(reader);
  reader.end = messageEnd;
  return header;
}

function unreadable(type: string, error: unknown): TelemetryError {
  const message = `body cannot be read: ${errorMessage(error)}; send a ${type}`;
  return new TelemetryError("INVALID_ARGUMENT", "MALFORMED_BODY", message, { field: "body" });
}
