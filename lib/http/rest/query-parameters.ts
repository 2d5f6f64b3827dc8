import { type DescField, type DescMessage, type JsonObject, type JsonValue, ScalarType } from "@bufbuild/protobuf";
import { invalidField } from "../../base/errors.ts";
import { queryParameterDepthMax } from "../../base/limits.ts";

/** A field of a request that is told by the query, by its JSON name with those that it is in: `selector.deviceIds`. */
export interface QueryParameter {
  readonly name: string;
  /** From the request to the field. */
  readonly path: readonly DescField[];
  readonly field: DescField;
}

/** Messages that JSON writes as one string. */
const textMessages = new Set(["google.protobuf.Timestamp", "google.protobuf.Duration", "google.protobuf.FieldMask"]);

/** @param elsewhere fields that are told by path or body @throws Error by `fail`, for a field that no query can tell */
export function queryParametersOf(
  message: DescMessage,
  elsewhere: ReadonlySet<DescField>,
  fail: (problem: string) => never,
  before: readonly DescField[] = [],
): QueryParameter[] {
  if (before.length > queryParameterDepthMax) fail(`a query parameter ${nameOf(before)} so deep`);
  return message.fields
    .filter((field) => !elsewhere.has(field))
    .flatMap((field) => {
      const path = [...before, field];
      const parameter = { name: nameOf(path), path, field };
      if (field.fieldKind === "message" && !textMessages.has(field.message.typeName)) {
        if (field.message.typeName.startsWith("google.protobuf.")) fail(`a query parameter ${parameter.name}`);
        return queryParametersOf(field.message, elsewhere, fail, path);
      }
      if (field.fieldKind === "list" && field.listKind === "message") fail(`a query parameter ${parameter.name}`);
      if (field.fieldKind === "map" && (field.mapKind !== "scalar" || field.scalar !== ScalarType.STRING)) {
        fail(`a query parameter ${parameter.name}`);
      }
      return [parameter];
    });
}

/**
 * What a query says, as the JSON of a request. A map is told as `labels=KEY=VALUE`, for each of its entries.
 * @throws TelemetryError that names the parameter
 */
export function readQuery(query: string, parameters: readonly QueryParameter[]): JsonObject {
  const byName = new Map(parameters.flatMap((each) => namesOf(each).map((name) => [name, each] as const)));
  const values = new Map<QueryParameter, string[]>();
  for (const [name, value] of new URLSearchParams(query)) {
    const parameter = byName.get(name);
    if (parameter === undefined) throw unknownParameter(name, parameters);
    values.set(parameter, [...(values.get(parameter) ?? []), value]);
  }
  const request: JsonObject = {};
  for (const [parameter, texts] of values) put(request, parameter.path, parsedOf(parameter, texts));
  return request;
}

function unknownParameter(name: string, parameters: readonly QueryParameter[]): Error {
  const names = parameters.map((each) => each.name).join(", ");
  const known = names === "" ? "there are none here" : `use ${names}`;
  return invalidField(name, "is not a parameter of this path", known);
}

/** By its names in JSON and in the contract, as JSON itself takes both. */
function namesOf({ name, path }: QueryParameter): string[] {
  return [name, path.map((field) => field.name).join(".")];
}

function nameOf(path: readonly DescField[]): string {
  return path.map(({ jsonName }) => jsonName).join(".");
}

function parsedOf({ name, field }: QueryParameter, texts: readonly string[]): JsonValue {
  if (field.fieldKind === "list") return texts.map((text) => scalarOf(name, field, text));
  if (field.fieldKind === "map") return entriesOf(name, texts);
  const [text = "", ...more] = texts;
  if (more.length > 0) throw invalidField(name, `is given ${texts.length} times`, "give it once");
  return scalarOf(name, field, text);
}

/** JSON takes numbers as strings too; who reads the request looks whether they are some. */
function scalarOf(name: string, { scalar }: DescField, text: string): JsonValue {
  if (scalar !== ScalarType.BOOL) return text;
  if (text !== "true" && text !== "false")
    throw invalidField(name, `is ${JSON.stringify(text)}`, "write true or false");
  return text === "true";
}

function entriesOf(name: string, texts: readonly string[]): JsonObject {
  const entries = texts.map((text) => {
    const at = text.indexOf("=");
    if (at < 1) throw invalidField(name, `is ${JSON.stringify(text)}`, "write KEY=VALUE");
    return [text.slice(0, at), text.slice(at + 1)] as const;
  });
  const map = Object.fromEntries(entries);
  if (Object.keys(map).length < entries.length) throw invalidField(name, "has a key twice", "give each key once");
  return map;
}

function put(request: JsonObject, path: readonly DescField[], value: JsonValue): void {
  let within = request;
  for (const { jsonName } of path.slice(0, -1)) {
    within[jsonName] ??= {};
    within = within[jsonName] as JsonObject;
  }
  const last = path.at(-1);
  if (last !== undefined) within[last.jsonName] = value;
}
