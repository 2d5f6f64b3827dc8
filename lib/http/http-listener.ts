import { createServer, type IncomingMessage, type Server, type ServerOptions, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { Socket } from "node:net";
import {
  httpHeaderBytesMax,
  httpHeadersMsMax,
  httpIdleMsMax,
  httpRequestMsMax,
  httpTimesCheckMs,
} from "../base/limits.ts";
import type { Log } from "../base/log.ts";
import { Listener, type ListenerOptions, type Protocol } from "../rpc/listener.ts";
import { Exchange } from "./exchange.ts";
import { type HttpPart, route } from "./router.ts";

export interface HttpPortOptions extends ListenerOptions {
  readonly log: Log;
  /** Throws TelemetryError for a Host that a request is not meant for; every one is answered by default. */
  readonly checkHost?: (host: string | undefined) => void;
  /** To send a request; `httpRequestMsMax` by default. */
  readonly requestMsMax?: number;
}

/**
 * Serves HTTP beside gRPC: who may connect is the same.
 * @param address `HOST:PORT`; port 0 takes a free one
 * @param parts the first one that has something at a path answers
 * @throws TelemetryError when the address cannot be had
 */
export async function listenHttp(
  address: string,
  parts: readonly HttpPart[],
  options: HttpPortOptions,
): Promise<Listener> {
  const { log, checkHost = () => {}, requestMsMax = httpRequestMsMax } = options;
  const answering = (request: IncomingMessage, response: ServerResponse) =>
    void route(new Exchange(request, response), parts, { log, checkHost });
  return await Listener.listen(address, options, httpProtocol(answering, requestMsMax));
}

function httpProtocol(
  answering: (request: IncomingMessage, response: ServerResponse) => void,
  requestMsMax: number,
): Protocol {
  const options: ServerOptions = {
    maxHeaderSize: httpHeaderBytesMax,
    headersTimeout: Math.min(httpHeadersMsMax, requestMsMax),
    requestTimeout: requestMsMax,
    connectionsCheckingInterval: httpTimesCheckMs,
    keepAliveTimeout: httpIdleMsMax,
    noDelay: true,
  };
  const began = new WeakMap<Socket, () => void>();
  const onRequest = (request: IncomingMessage, response: ServerResponse) => {
    began.get(request.socket)?.();
    // Their `close` follows, and is what is waited for.
    request.on("error", () => {});
    response.on("error", () => {});
    answering(request, response);
  };
  return {
    name: "http/1.1",
    createServer: (tls): Server =>
      tls === undefined ? createServer(options, onRequest) : createTlsServer({ ...options, ...tls }, onRequest),
    take: (socket) => new Promise((resolve) => began.set(socket, resolve)),
  };
}
