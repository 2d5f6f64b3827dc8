import type { DescField, DescMessage } from "@bufbuild/protobuf";
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import { TelemetryError } from "../base/errors.ts";
import { messageDepthMax, messageElementsMax } from "../base/limits.ts";

/**
 * Looks at a message before it is decoded: an empty message in it takes two bytes and becomes an object, so that four
 * megabytes would be decoded for seconds. What is malformed is left to who decodes it.
 * @throws TelemetryError TOO_MANY_ELEMENTS
 */
export function checkElements(desc: DescMessage, bytes: Uint8Array): void {
  // Each element takes two bytes or more.
  if (bytes.length <= 2 * messageElementsMax) return;
  let elements = 0;
  try {
    elements = countElements(desc, new BinaryReader(bytes), bytes.length, messageDepthMax);
  } catch {
    return;
  }
  if (elements > messageElementsMax) throw tooManyElements();
}

/** The same of JSON: its objects, and its names and strings. */
export function checkJsonElements(bytes: Uint8Array): void {
  if (bytes.length <= 2 * messageElementsMax) return;
  let [objects, quotes] = [0, 0];
  for (const byte of bytes) {
    if (byte === 0x7b) objects += 1;
    else if (byte === 0x22) quotes += 1;
  }
  if (objects + quotes / 2 > messageElementsMax) throw tooManyElements();
}

/** Messages, strings and map entries, up to some more than the limit. @throws Error where it is malformed */
function countElements(desc: DescMessage, reader: BinaryReader, end: number, depth: number): number {
  const fields = fieldsOf(desc);
  let elements = 0;
  while (reader.pos < end && elements <= messageElementsMax) {
    const [number, type] = reader.tag();
    if (type !== WireType.LengthDelimited) {
      reader.skip(type, number);
      continue;
    }
    const length = reader.uint32();
    const within = reader.pos + length;
    elements += 1;
    const message = fields.get(number)?.message;
    if (message !== undefined && depth > 0) elements += countElements(message, reader, within, depth - 1);
    reader.pos = within;
  }
  return elements;
}

const known = new WeakMap<DescMessage, ReadonlyMap<number, DescField>>();

function fieldsOf(desc: DescMessage): ReadonlyMap<number, DescField> {
  const before = known.get(desc);
  if (before !== undefined) return before;
  const fields = new Map(desc.fields.map((field) => [field.number, field]));
  known.set(desc, fields);
  return fields;
}

function tooManyElements(): TelemetryError {
  const limit = messageElementsMax.toLocaleString("en");
  return new TelemetryError(
    "INVALID_ARGUMENT",
    "TOO_MANY_ELEMENTS",
    `the message has more than ${limit} messages, strings and map entries, the limit; split it`,
  );
}
