import type { Http2Server, ServerHttp2Session, ServerOptions } from "node:http2";
import type { Server } from "@grpc/grpc-js";
import {
  headerListBytesMax,
  headerPairsMax,
  http2SettingsMax,
  invalidFramesMax,
  streamResetBurst,
  streamResetRate,
} from "../base/limits.ts";

/**
 * What one connection may do to the HTTP/2 servers that a server of grpc-js makes from now on (docs/decisions/0022).
 * Node's own bounds on header blocks in many frames and on answers that are not read have no options.
 */
export function boundConnections(server: Server): void {
  const options: unknown = Reflect.get(server, "commonServerOptions");
  if (typeof options !== "object" || options === null)
    throw new Error("this version of grpc-js keeps the options of its HTTP/2 servers elsewhere");
  const settings = { ...Reflect.get(options, "settings"), maxHeaderListSize: headerListBytesMax };
  const bounds: ServerOptions = {
    settings,
    maxHeaderListPairs: headerPairsMax,
    maxSettings: http2SettingsMax,
    maxSessionInvalidFrames: invalidFramesMax,
    streamResetBurst,
    streamResetRate,
  };
  Object.assign(options, bounds);
}

/**
 * The HTTP/2 server that a server of grpc-js has made last, which it has no door to: this reaches into it. Where it has
 * changed, no server starts.
 */
export function http2ServerOf(server: Server): Http2Server {
  const servers: unknown = Reflect.get(server, "http2Servers");
  const http2 = servers instanceof Map ? [...(servers.keys() as Iterable<Http2Server>)].at(-1) : undefined;
  if (http2 === undefined) throw new Error("this version of grpc-js keeps its HTTP/2 servers elsewhere");
  return http2;
}

/**
 * Lets clients send so much per call before it is read, and no less on a connection. HTTP/2 begins with 64 KiB for both,
 * which is 2 MB/s at a round trip of 20 ms. Node holds back calls that are not read, but not their connection: what clients
 * can make the server hold is the number of their calls times this.
 */
export function setReceiveWindow(http2: Http2Server, callBytes: number): void {
  http2.on("session", (session: ServerHttp2Session) => {
    session.settings({ initialWindowSize: callBytes });
    session.setLocalWindowSize(Math.max(callBytes, connectionWindowBytesMin));
  });
}

/** Room for several calls: they share it while their data is under way. */
const connectionWindowBytesMin = 1024 * 1024;
