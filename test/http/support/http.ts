import { create, toJson } from "@bufbuild/protobuf";
import type { RuledAccess } from "../../../lib/access/access.ts";
import { type AccessRules, noRules } from "../../../lib/access/access-rules.ts";
import type { Scope } from "../../../lib/access/principal.ts";
import { makeToken } from "../../../lib/access/secrets.ts";
import { PushBatchRequestSchema } from "../../../proto/gen/telemetry/v1/ingest_service_pb.js";
import { type BatchOptions, batch, type RegistrationOptions, registration } from "../../support/batches.ts";

export interface HttpReply {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** Undefined where the body is no JSON. */
  // biome-ignore lint/suspicious/noExplicitAny: a test says what it expects in it
  readonly json: any;
}

/** One request, answered whole. @param body sent as JSON */
export async function ask(
  address: string,
  verb: string,
  path: string,
  { body, headers = {} }: { body?: unknown; headers?: Record<string, string> } = {},
): Promise<HttpReply> {
  const response = await fetch(`http://${address}${path}`, {
    method: verb,
    redirect: "manual",
    headers: { ...(body !== undefined && { "content-type": "application/json" }), ...headers },
    ...(body !== undefined && { body: typeof body === "string" ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, json: jsonOf(text) };
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The body of a push of one batch. */
export function pushBody(
  deviceId: string,
  sequence: number,
  values: readonly number[],
  options: RegistrationOptions & BatchOptions = {},
) {
  const request = create(PushBatchRequestSchema, {
    registration: registration(deviceId, options),
    payload: { case: "batch", value: batch(sequence, values, options) },
  });
  return toJson(PushBatchRequestSchema, request);
}

/** Reasons of an error's details. */
export function reasonOf({ json }: HttpReply): string | undefined {
  return json?.details?.find((detail: { reason?: string }) => detail.reason !== undefined)?.reason;
}

/** Lines of a stream as they come, until the test has seen enough. */
export async function* linesOf(
  address: string,
  path: string,
  headers: Record<string, string> = {},
): AsyncGenerator<string, void> {
  const leaving = new AbortController();
  const response = await fetch(`http://${address}${path}`, { headers, signal: leaving.signal });
  if (response.status !== 200) throw new Error(`${response.status}: ${await response.text()}`);
  let rest = "";
  try {
    for await (const piece of (response.body ?? new ReadableStream()).pipeThrough(new TextDecoderStream())) {
      const lines = (rest + piece).split("\n");
      rest = lines.pop() ?? "";
      yield* lines;
    }
    if (rest !== "") yield rest;
  } finally {
    leaving.abort();
  }
}

export interface ServerEvent {
  readonly id: string | undefined;
  readonly event: string;
  // biome-ignore lint/suspicious/noExplicitAny: a test says what it expects in it
  readonly data: any;
}

/** Server-sent events of a path. */
export async function* eventsOf(
  address: string,
  path: string,
  headers: Record<string, string> = {},
): AsyncGenerator<ServerEvent, void> {
  let fields = new Map<string, string>();
  for await (const line of linesOf(address, path, { accept: "text/event-stream", ...headers })) {
    const [, name = "", value = ""] = /^([^:]*): ?(.*)$/.exec(line) ?? [];
    if (line !== "") fields.set(name, value);
    else {
      const data = fields.get("data");
      if (data !== undefined) {
        yield { id: fields.get("id"), event: fields.get("event") ?? "message", data: JSON.parse(data) };
      }
      fields = new Map();
    }
  }
}

/** Rules with a token of each scope, and how to send it. */
export function tokensOf(scopes: readonly Scope[]) {
  const tokens = Object.fromEntries(scopes.map((scope) => [scope, makeToken()])) as Record<
    Scope,
    ReturnType<typeof makeToken>
  >;
  const rules: AccessRules = {
    ...noRules,
    tokens: scopes.map((scope) => {
      const { id, sha256 } = tokens[scope];
      return { name: scope, id, sha256, scopes: [scope], devices: ["*"] };
    }),
  };
  const bearer = (scope: Scope) => ({ authorization: `Bearer ${tokens[scope].token}` });
  return { rules, bearer };
}

/** Takes all rules away. */
export function revokeAll(access: RuledAccess): void {
  access.setRules(noRules);
}
