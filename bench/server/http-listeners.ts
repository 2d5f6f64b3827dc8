import { once } from "node:events";
import * as http from "node:http";
import * as http2 from "node:http2";
import * as https from "node:https";
import type { AddressInfo, Server } from "node:net";
import type { KeyPair } from "../../lib/rpc/tls.ts";
import { answerRequest, type TakeBody } from "./http-answer.ts";

/** A door that listens on a free port of 127.0.0.1. */
export interface HttpListener {
  /** `HOST:PORT` */
  readonly address: string;
  /** Takes no new connections; ends those that there are when their requests are answered, or after `graceMs`. */
  close(graceMs: number): Promise<void>;
}

/** A client that sends now and then keeps its connection. */
const keepAliveMs = 120_000;

export async function listenHttp1(take: TakeBody, tls: KeyPair | undefined): Promise<HttpListener> {
  const onRequest: http.RequestListener = async (request, response) => {
    const { method, url, headers } = request;
    const { status, contentType, body } = await answerRequest({ method, path: url, headers, body: request }, take);
    response.writeHead(status, { "content-type": contentType, "content-length": Buffer.byteLength(body) });
    response.end(body);
  };
  const options = { keepAliveTimeout: keepAliveMs };
  const server =
    tls === undefined ? http.createServer(options, onRequest) : https.createServer({ ...options, ...tls }, onRequest);
  const address = await listen(server);
  // Connections without a request end at once, the others behind their answer.
  return { address, close: (graceMs) => closed(server, graceMs, () => server.closeAllConnections()) };
}

/** Windows are Node's, as those of the product's gRPC server: they are no factor between the two. */
const http2Settings = {
  settings: { maxConcurrentStreams: 1_000 },
  // In MB: at the usual 10, Node resets streams of clients that send much at once.
  maxSessionMemory: 1_000,
};

export async function listenHttp2(take: TakeBody, tls: KeyPair | undefined): Promise<HttpListener> {
  const server =
    tls === undefined ? http2.createServer(http2Settings) : http2.createSecureServer({ ...http2Settings, ...tls });
  const sessions = new Set<http2.ServerHttp2Session>();
  server.on("session", (session) => {
    sessions.add(session);
    session.once("close", () => sessions.delete(session));
  });
  server.on("stream", (stream, headers) => void answerStream(stream, headers, take));
  const address = await listen(server);
  return {
    address,
    close: (graceMs) => {
      for (const session of sessions) session.close();
      const cut = () => {
        for (const session of sessions) session.destroy();
      };
      return closed(server, graceMs, cut);
    },
  };
}

async function answerStream(stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders, take: TakeBody) {
  const request = { method: headers[":method"], path: headers[":path"], headers, body: stream };
  // A stream that is reset after its body has been read.
  stream.on("error", () => {});
  const { status, contentType, body } = await answerRequest(request, take);
  if (stream.destroyed) return;
  stream.respond({ ":status": status, "content-type": contentType, "content-length": Buffer.byteLength(body) });
  stream.end(body);
  // A body that was not read would keep its place in the connection's window.
  stream.resume();
}

async function listen(server: Server): Promise<string> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { address, port } = server.address() as AddressInfo;
  return `${address}:${port}`;
}

async function closed(server: Server, graceMs: number, cut: () => void): Promise<void> {
  const timer = setTimeout(cut, graceMs);
  await new Promise((resolve) => server.close(resolve));
  clearTimeout(timer);
}
