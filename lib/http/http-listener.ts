import { createServer, type IncomingMessage, type Server, type ServerOptions, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { Socket } from "node:net";
import { toJsonString } from "@bufbuild/protobuf";
import { StatusSchema } from "../../proto/gen/google/rpc/status_pb.js";
import { type Access, type Credentials, checkScope } from "../access/access.ts";
import { type StatusName, TelemetryError } from "../base/errors.ts";
import { httpHeaderBytesMax, httpIdleMsMax, httpRequestMsMax } from "../base/limits.ts";
import type { Log } from "../base/log.ts";
import { certificateOf, type MethodScope } from "../rpc/gate.ts";
import { Listener, type ListenerOptions, type Protocol } from "../rpc/listener.ts";
import { detailsRegistry, internalError, logBug, richStatus } from "../rpc/status.ts";

export interface HttpAnswer {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
}

/** What is read at a path. */
export interface HttpRoute {
  readonly scope: MethodScope;
  /** @throws TelemetryError */
  answer(): Promise<HttpAnswer>;
}

export interface HttpPortOptions extends ListenerOptions {
  readonly access: Access;
  readonly log: Log;
}

/**
 * Serves HTTP beside gRPC: who may connect, and who may ask, is the same.
 * @param address `HOST:PORT`; port 0 takes a free one
 * @param routes by path
 * @throws TelemetryError when the address cannot be had
 */
export async function listenHttp(
  address: string,
  routes: ReadonlyMap<string, HttpRoute>,
  options: HttpPortOptions,
): Promise<Listener> {
  const answering = (request: IncomingMessage, response: ServerResponse) =>
    void respond(request, response, routes, options);
  return await Listener.listen(address, options, httpProtocol(answering));
}

async function respond(
  request: IncomingMessage,
  response: ServerResponse,
  routes: ReadonlyMap<string, HttpRoute>,
  { access, log }: HttpPortOptions,
): Promise<void> {
  let answer: HttpAnswer;
  try {
    const route = routeOf(request, routes);
    if (route.scope !== "open") {
      const { principal } = await access.identify(credentialsOf(request));
      checkScope(principal, route.scope);
    }
    answer = await route.answer();
  } catch (error) {
    answer = errorAnswer(error, log);
    if (answer.status === 401) response.setHeader("www-authenticate", 'Bearer realm="tidemark"');
    if (answer.status === 405) response.setHeader("allow", "GET, HEAD");
  }
  response.writeHead(answer.status, {
    "content-type": answer.contentType,
    "content-length": Buffer.byteLength(answer.body),
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
  });
  response.end(request.method === "HEAD" ? undefined : answer.body);
}

function routeOf({ method, url = "" }: IncomingMessage, routes: ReadonlyMap<string, HttpRoute>): HttpRoute {
  const [path] = url.split("?", 1);
  const route = routes.get(path);
  if (route === undefined) {
    const paths = [...routes.keys()].join(", ");
    throw new TelemetryError("NOT_FOUND", "PATH_NOT_FOUND", `there is nothing at this path; there is at ${paths}`);
  }
  if (method === "GET" || method === "HEAD") return route;
  throw new TelemetryError("UNIMPLEMENTED", "METHOD_NOT_ALLOWED", "this path is read; use GET");
}

function httpProtocol(answering: (request: IncomingMessage, response: ServerResponse) => void): Protocol {
  const options: ServerOptions = {
    maxHeaderSize: httpHeaderBytesMax,
    headersTimeout: httpRequestMsMax,
    requestTimeout: httpRequestMsMax,
    keepAliveTimeout: httpIdleMsMax,
    noDelay: true,
  };
  const began = new WeakMap<Socket, () => void>();
  const onRequest = (request: IncomingMessage, response: ServerResponse) => {
    began.get(request.socket)?.();
    // A body is not asked for, and would hold up the next request.
    request.resume();
    answering(request, response);
  };
  return {
    name: "http/1.1",
    createServer: (tls): Server =>
      tls === undefined ? createServer(options, onRequest) : createTlsServer({ ...options, ...tls }, onRequest),
    take: (socket) => new Promise((resolve) => began.set(socket, resolve)),
  };
}

function credentialsOf({ headers: { authorization }, socket }: IncomingMessage): Credentials {
  return { authorization, certificate: certificateOf(socket) };
}

/** https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto */
const httpStatuses: Readonly<Record<StatusName, number>> = {
  CANCELLED: 499,
  INVALID_ARGUMENT: 400,
  DEADLINE_EXCEEDED: 504,
  NOT_FOUND: 404,
  ALREADY_EXISTS: 409,
  RESOURCE_EXHAUSTED: 429,
  FAILED_PRECONDITION: 400,
  UNAUTHENTICATED: 401,
  PERMISSION_DENIED: 403,
  UNIMPLEMENTED: 501,
  INTERNAL: 500,
  UNAVAILABLE: 503,
};

/** The same error as gRPC tells, as JSON. An error that is not ours is a bug: it goes to the log. */
function errorAnswer(error: unknown, log: Log): HttpAnswer {
  const told = error instanceof TelemetryError ? error : new TelemetryError("INTERNAL", "INTERNAL", internalError);
  if (told !== error) logBug(error, log);
  const status = told.reason === "METHOD_NOT_ALLOWED" ? 405 : httpStatuses[told.status];
  const body = toJsonString(StatusSchema, richStatus(told), { registry: detailsRegistry });
  return { status, contentType: "application/json", body: `${body}\n` };
}
