import type { DescMessage, DescMethod, Message } from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import {
  ConnectError,
  type ConnectRouter,
  createConnectRouter,
  createContextKey,
  createContextValues,
  type HandlerContext,
} from "@connectrpc/connect";
import type { UniversalHandler, UniversalServerResponse } from "@connectrpc/connect/protocol";
import { callOver, TelemetryError } from "../../base/errors.ts";
import { messageBytesMax, messageDepthMax, openMessageBytesMax } from "../../base/limits.ts";
import type { Log } from "../../base/log.ts";
import { neverAborted } from "../../base/wait.ts";
import { outgoing } from "../../rpc/flow.ts";
import { checkElements, checkJsonElements } from "../../rpc/message-elements.ts";
import type { TableMethod } from "../../rpc/method-table.ts";
import type { ServedCalls } from "../../rpc/server.ts";
import type { Bodies } from "../bodies.ts";
import { type Exchange, everyAnswer } from "../exchange.ts";
import { HttpCall } from "../http-call.ts";
import type { HttpPart, Resource } from "../router.ts";
import { toConnectError } from "./connect-error.ts";
import { refuse } from "./refusal.ts";
import { requestHeaders } from "./request-headers.ts";

export interface ConnectOptions {
  readonly calls: ServedCalls;
  readonly bodies: Bodies;
  readonly log: Log;
}

/** The call that a request has begun, by which its handler finds it. */
const callKey = createContextKey<HttpCall | undefined>(undefined);

/** The methods of a server by the protocols Connect and gRPC-Web, but for those whose clients stream. */
export function connectPart({ calls, bodies, log }: ConnectOptions): HttpPart {
  const served = new Map(calls.methods.filter(({ call }) => call.kind !== "stream").map((each) => [each.path, each]));
  const router = createConnectRouter({
    // It needs trailers, and has a port of its own.
    grpc: false,
    // What comes compressed may be a thousand times as large.
    acceptCompression: [],
    readMaxBytes: messageBytesMax,
    binaryOptions: { readUnknownFields: false, recursionLimit: messageDepthMax },
  });
  for (const method of served.values()) addMethod(router, method, log);
  const resources = new Map<string, Resource>();
  for (const handler of router.handlers) {
    const method = served.get(handler.requestPath);
    if (method === undefined) continue;
    resources.set(method.path, {
      allow: isRead(method.desc) ? ["POST", "GET"] : ["POST"],
      async answer(exchange) {
        try {
          await answerBy(handler, method, exchange, { calls, bodies, log });
        } catch (error) {
          if (exchange.response.headersSent) throw error;
          refuse(exchange, error, log);
        }
      },
    });
  }
  return { find: (path) => resources.get(path) };
}

/** Connect has GET for what may be cached, or asked for twice. */
function isRead({ methodKind, idempotency }: DescMethod): boolean {
  return methodKind === "unary" && idempotency === MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS;
}

/** @throws TelemetryError where nothing was answered */
async function answerBy(
  handler: UniversalHandler,
  method: TableMethod,
  exchange: Exchange,
  { calls, bodies }: ConnectOptions,
): Promise<void> {
  const call = await HttpCall.begin(method, exchange, calls, "connect_rpc");
  const body = await call.telling(readBody(exchange, method, bodies));
  const answer = await handler({
    httpVersion: exchange.request.httpVersion,
    method: exchange.method,
    // Only its query is looked at.
    url: `http://localhost${exchange.path}?${exchange.query}`,
    header: requestHeaders(exchange.request),
    body: oneOf(body),
    signal: call.signal,
    contextValues: createContextValues().set(callKey, call),
  });
  await call.telling(write(answer, exchange, call));
}

async function readBody(exchange: Exchange, { desc, scope }: TableMethod, bodies: Bodies): Promise<Buffer> {
  const encoding = exchange.header("content-encoding") ?? "identity";
  if (encoding !== "identity") {
    const problem = `content-encoding is ${JSON.stringify(encoding)}, which is not supported; send the body as it is`;
    throw new TelemetryError("INVALID_ARGUMENT", "UNSUPPORTED_MEDIA_TYPE", problem);
  }
  const body = await bodies.read(exchange, scope === "open" ? openMessageBytesMax : messageBytesMax);
  checkBody(exchange.header("content-type") ?? "", desc.input, body);
  return body;
}

/** Before the library decodes it. */
function checkBody(type: string, input: DescMessage, body: Uint8Array): void {
  if (type.includes("json")) checkJsonElements(body);
  // Streams, and gRPC-Web, have five bytes before their one message.
  else checkElements(input, /^application\/(connect\+|grpc-web)/.test(type) ? body.subarray(5) : body);
}

async function* oneOf(body: Uint8Array): AsyncGenerator<Uint8Array, void> {
  if (body.length > 0) yield body;
}

/**
 * Writes an answer, no faster than it is read. The library's own way waits for ever for a client that has gone while
 * an answer before this one of its connection was under way.
 * @throws TelemetryError where the library has answered, and no method was called
 */
async function write(
  { status, header, body }: UniversalServerResponse,
  { response }: Exchange,
  call: HttpCall,
): Promise<void> {
  const pieces = body?.[Symbol.asyncIterator]();
  try {
    let piece = await pieces?.next();
    if (!call.hasBegun) throw notRead(status);
    response.writeHead(status, { ...everyAnswer, ...Object.fromEntries(header ?? []) });
    // The library ends the call's own signal before its last word; a connection that is gone ends this.
    for (; pieces !== undefined && piece?.done === false; piece = await pieces.next()) {
      await outgoing(response, piece.value, neverAborted);
    }
    response.end();
  } finally {
    // Also what has begun and is not read to its end: a handler that waits to go on is told that it will not.
    await pieces?.return?.();
  }
}

/** What it says then is in words of its own. */
function notRead(status: number): TelemetryError {
  if (status === 415) {
    const types = "application/json, application/proto, application/connect+proto or application/grpc-web+proto";
    return new TelemetryError("INVALID_ARGUMENT", "UNSUPPORTED_MEDIA_TYPE", `content-type is not known; send ${types}`);
  }
  return new TelemetryError(
    "INVALID_ARGUMENT",
    "MALFORMED_MESSAGE",
    "the request cannot be read as one message of its content type, or of its parameters; do not send it again as it is",
  );
}

function addMethod(router: ConnectRouter, { desc, call }: TableMethod, log: Log): void {
  const implementation =
    call.kind === "unary"
      ? async (request: Message, context: HandlerContext) => {
          const begun = callOf(context);
          try {
            return await begun.unary(request);
          } catch (error) {
            throw failure(error, context, log);
          }
        }
      : async function* (request: Message, context: HandlerContext) {
          const begun = callOf(context);
          try {
            yield* begun.stream(request);
          } catch (error) {
            throw failure(error, context, log);
          }
        };
  // Its types are those of one method that is known.
  router.rpc(desc, implementation as never);
}

function callOf({ values, signal }: HandlerContext): HttpCall {
  const call = values.get(callKey);
  if (call === undefined) throw new Error("the request has begun no call");
  // Its client's deadline, or its client has gone.
  signal.addEventListener("abort", () => call.end(callOver()), { once: true });
  return call;
}

function failure(error: unknown, { signal }: HandlerContext, log: Log): ConnectError {
  // The library knows whether it was the deadline.
  if (signal.aborted && signal.reason instanceof ConnectError) return signal.reason;
  return toConnectError(error, log);
}
