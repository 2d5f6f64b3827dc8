import { errorMessage, invalidField, TelemetryError } from "../../lib/base/errors.ts";
import type { NamedBatch } from "./named-batch.ts";
import { RowColumns } from "./row-columns.ts";

/** Bodies in JSON, parsed once and turned into columns in place. What is thrown names the field by its path. */

const rowColumns = new RowColumns();

/** @returns tables that are valid until the next call @throws TelemetryError */
export function readJsonRows(body: Buffer): NamedBatch {
  const object = parse(body);
  const head = readHead(object);
  const { samples } = object;
  if (!Array.isArray(samples) || samples.length === 0)
    throw wrong("samples", samples, "a list with at least one sample");
  rowColumns.begin(samples.length);
  for (let i = 0; i < samples.length; i += 1) {
    const sample = samples[i];
    if (typeof sample !== "object" || sample === null) throw wrong(`samples[${i}]`, sample, "an object");
    const { metric, time, value } = sample as JsonObject;
    if (typeof metric !== "string") throw wrong(`samples[${i}].metric`, metric, "the metric's name");
    if (!Number.isSafeInteger(time)) throw wrong(`samples[${i}].time`, time, "whole milliseconds since 1970");
    if (typeof value !== "number") throw wrong(`samples[${i}].value`, value, "a number");
    rowColumns.add(metric, time as number, value);
  }
  return { ...head, tables: rowColumns.tables() };
}

/** @throws TelemetryError */
export function readJsonColumns(body: Buffer): NamedBatch {
  const object = parse(body);
  const head = readHead(object);
  const { metrics, baseTimeMs, offsetsMs, values } = object;
  if (!isListOf(metrics, isString)) throw wrong("metrics", metrics, "a list of names");
  if (!Number.isSafeInteger(baseTimeMs)) throw wrong("baseTimeMs", baseTimeMs, "whole milliseconds since 1970");
  if (!isListOf(offsetsMs, isUint32)) throw wrong("offsetsMs", offsetsMs, "a list of whole numbers below 2^32");
  if (!isListOf(values, isNumber)) throw wrong("values", values, "a list of numbers");
  if (values.length === 0 || values.length !== metrics.length * offsetsMs.length) {
    throw invalidField(
      "values",
      `has ${values.length} entries for ${metrics.length} metrics x ${offsetsMs.length} times`,
      "send one value per metric and time, at least one",
    );
  }
  const table = { metrics, baseTimeMs: baseTimeMs as number, offsetsMs, values: Float64Array.from(values) };
  return { ...head, tables: [table] };
}

type JsonObject = Readonly<Record<string, unknown>>;

function parse(body: Buffer): JsonObject {
  let parsed: unknown;
  try {
    parsed = JSON.parse(body.toString());
  } catch (error) {
    throw new TelemetryError(
      "INVALID_ARGUMENT",
      "MALFORMED_BODY",
      `body is not JSON: ${errorMessage(error)}; send one object`,
      {
        field: "body",
      },
    );
  }
  if (typeof parsed !== "object" || parsed === null) throw wrong("body", parsed, "one object");
  return parsed as JsonObject;
}

function readHead({ device, spool, sequence }: JsonObject): Omit<NamedBatch, "tables"> {
  if (typeof device !== "string") throw wrong("device", device, "the device's id");
  if (typeof spool !== "string") throw wrong("spool", spool, "32 hexadecimal digits");
  if (typeof sequence !== "number") throw wrong("sequence", sequence, "a number from 1");
  return { deviceId: device, spoolId: spool, sequence };
}

function isListOf<T>(list: unknown, isOne: (each: unknown) => each is T): list is T[] {
  if (!Array.isArray(list)) return false;
  for (let i = 0; i < list.length; i += 1) if (!isOne(list[i])) return false;
  return true;
}

const isString = (each: unknown): each is string => typeof each === "string";
const isNumber = (each: unknown): each is number => typeof each === "number";
const isUint32 = (each: unknown): each is number => typeof each === "number" && each >>> 0 === each;

function wrong(field: string, value: unknown, remedy: string): TelemetryError {
  const shown = value === undefined ? "missing" : `${JSON.stringify(value).slice(0, 40)}`;
  return invalidField(field, `is ${shown}`, `send ${remedy}`);
}
