import type { Message } from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import {
  ConnectError,
  type ConnectRouter,
  createContextKey,
  createContextValues,
  type HandlerContext,
} from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { TelemetryError } from "../../base/errors.ts";
import { messageBytesMax, messageDepthMax } from "../../base/limits.ts";
import type { Log } from "../../base/log.ts";
import type { TableMethod } from "../../rpc/method-table.ts";
import type { ServedCalls } from "../../rpc/server.ts";
import type { Bodies } from "../bodies.ts";
import { everyAnswer } from "../exchange.ts";
import { HttpCall } from "../http-call.ts";
import type { HttpPart, Resource } from "../router.ts";
import { toConnectError } from "./connect-error.ts";
import { refuse } from "./refusal.ts";

export interface ConnectOptions {
  readonly calls: ServedCalls;
  readonly bodies: Bodies;
  readonly log: Log;
}

/** The call that a request has begun, by which its handler finds it. */
const callKey = createContextKey<HttpCall | undefined>(undefined);

/** The methods of a server by the protocols Connect and gRPC-Web, but for those whose clients stream. */
export function connectPart({ calls, bodies, log }: ConnectOptions): HttpPart {
  const served = calls.methods.filter(({ call }) => call.kind !== "stream");
  const begun = new WeakMap<object, HttpCall>();
  const handle = connectNodeAdapter({
    routes: (router) => {
      for (const method of served) addMethod(router, method, log);
    },
    contextValues: (request) => createContextValues().set(callKey, begun.get(request)),
    // It needs trailers, and has a port of its own.
    grpc: false,
    // What comes compressed may be a thousand times as large.
    acceptCompression: [],
    readMaxBytes: messageBytesMax,
    binaryOptions: { readUnknownFields: false, recursionLimit: messageDepthMax },
  });
  const resources = new Map(
    served.map((method): [string, Resource] => [
      method.path,
      {
        allow: isRead(method) ? ["POST", "GET"] : ["POST"],
        async answer(exchange) {
          const { request, response } = exchange;
          try {
            const call = await HttpCall.begin(method, exchange, calls, "connect_rpc");
            await call.reading((async () => bodies.admit(exchange))());
            begun.set(request, call);
          } catch (error) {
            refuse(exchange, error, log);
            return;
          }
          for (const [name, value] of Object.entries(everyAnswer)) response.setHeader(name, value);
          handle(request, response);
        },
      },
    ]),
  );
  return { find: (path) => resources.get(path) };
}

/** Connect has GET for what may be cached, or asked for twice. */
function isRead({ desc }: TableMethod): boolean {
  return desc.methodKind === "unary" && desc.idempotency === MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS;
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
  signal.addEventListener("abort", () => call.end(new TelemetryError("CANCELLED", "CALL_OVER", "the call is over")), {
    once: true,
  });
  return call;
}

function failure(error: unknown, { signal }: HandlerContext, log: Log): ConnectError {
  // The library knows whether it was the deadline.
  if (signal.aborted && signal.reason instanceof ConnectError) return signal.reason;
  return toConnectError(error, log);
}
