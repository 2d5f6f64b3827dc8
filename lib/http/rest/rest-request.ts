import { type DescMessage, fromJson, type JsonObject, type JsonValue, type Message } from "@bufbuild/protobuf";
import { errorMessage, invalidField, TelemetryError } from "../../base/errors.ts";
import { messageDepthMax } from "../../base/limits.ts";
import { checkJsonElements } from "../../rpc/message-elements.ts";
import type { Bodies } from "../bodies.ts";
import type { Exchange } from "../exchange.ts";
import type { HttpBinding } from "./http-rule.ts";
import { readQuery } from "./query-parameters.ts";
import { lastEventId } from "./resume.ts";

/** @returns undefined: the path is not of this binding @throws TelemetryError when a value of it cannot be read */
export function pathValues({ segments }: HttpBinding, pieces: readonly string[]): JsonObject | undefined {
  if (segments.length !== pieces.length) return undefined;
  const isOf = segments.every((segment, i) => segment.kind === "variable" || segment.text === pieces[i]);
  if (!isOf) return undefined;
  const values = segments.flatMap((segment, i) =>
    segment.kind === "variable"
      ? [[segment.field.jsonName, decoded(segment.field.name, pieces[i] ?? "")] as const]
      : [],
  );
  return Object.fromEntries(values);
}

function decoded(name: string, piece: string): string {
  try {
    return decodeURIComponent(piece);
  } catch {
    throw invalidField(name, `is ${JSON.stringify(piece)} in the path`, "write it in UTF-8, percent-encoded");
  }
}

/**
 * The request that path, query and body tell together.
 * @throws TelemetryError that names what is not known, or not valid
 */
export async function readRequest(
  binding: HttpBinding,
  values: JsonObject,
  exchange: Exchange,
  bodies: Bodies,
): Promise<Message> {
  const { method, body, parameters } = binding;
  const request = readQuery(exchange.query, parameters);
  if (body !== undefined) {
    const sent = await readJson(exchange, bodies);
    const fields = body === "*" ? objectOf(sent) : { [body.jsonName]: sent };
    // To assign a field of this name would do something else.
    if (Object.hasOwn(fields, "__proto__")) throw malformed('the body has a field "__proto__"');
    Object.assign(request, fields);
  }
  for (const [name, value] of Object.entries(values)) putFromPath(request, binding, name, value);
  const token = lastEventId(method, exchange);
  if (token !== undefined) request[token.jsonName] = token.value;
  return messageOf(method.input, request);
}

/** A body may tell again what is in the path, but nothing else of it. */
function putFromPath(
  request: JsonObject,
  { method }: HttpBinding,
  jsonName: string,
  value: JsonValue | undefined,
): void {
  const name = method.input.fields.find((field) => field.jsonName === jsonName)?.name ?? jsonName;
  for (const spelled of new Set([jsonName, name])) {
    if (request[spelled] !== undefined && request[spelled] !== value) {
      throw invalidField(
        name,
        `is ${JSON.stringify(value)} in the path, and another in the body`,
        "leave it out there",
      );
    }
    delete request[spelled];
  }
  if (value !== undefined) request[jsonName] = value;
}

async function readJson(exchange: Exchange, bodies: Bodies): Promise<JsonValue> {
  const type = exchange.header("content-type") ?? "";
  // A page of another origin can send any other type without being asked whether it may.
  if (!/^application\/json *(;|$)/i.test(type)) {
    throw new TelemetryError(
      "INVALID_ARGUMENT",
      "UNSUPPORTED_MEDIA_TYPE",
      `content-type is ${JSON.stringify(type)}; send application/json`,
    );
  }
  if (exchange.header("content-encoding") !== undefined) {
    throw new TelemetryError(
      "INVALID_ARGUMENT",
      "UNSUPPORTED_MEDIA_TYPE",
      "content-encoding is not supported; send the body as it is",
    );
  }
  const bytes = await bodies.read(exchange);
  checkJsonElements(bytes);
  try {
    return bytes.length === 0 ? {} : (JSON.parse(utf8.decode(bytes)) as JsonValue);
  } catch (error) {
    throw malformed(`the body is not JSON in UTF-8: ${errorMessage(error)}`);
  }
}

const utf8 = new TextDecoder("utf-8", { fatal: true });

function objectOf(json: JsonValue): JsonObject {
  if (typeof json === "object" && json !== null && !Array.isArray(json)) return json;
  throw malformed("the body is not a JSON object");
}

function messageOf(input: DescMessage, json: JsonObject): Message {
  try {
    return fromJson(input, json, { ignoreUnknownFields: false, recursionLimit: messageDepthMax });
  } catch (error) {
    const message = errorMessage(error);
    const [, field, unknown] = /field \S*?(\w+) from JSON|key "([^"]+)" is unknown/.exec(message) ?? [];
    const name = unknown ?? field;
    if (name === undefined) throw malformed(message);
    throw new TelemetryError("INVALID_ARGUMENT", "INVALID_FIELD", `${message}; /openapi.json tells what it may be`, {
      field: name,
    });
  }
}

function malformed(problem: string): TelemetryError {
  return new TelemetryError("INVALID_ARGUMENT", "MALFORMED_MESSAGE", `${problem}; do not send it again as it is`);
}
