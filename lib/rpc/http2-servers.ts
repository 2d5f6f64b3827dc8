import type { Http2Server, ServerHttp2Session } from "node:http2";
import type { Server } from "@grpc/grpc-js";

/**
 * The HTTP/2 servers below a bound server of grpc-js, which has no door to them: this reaches into it. Where it has
 * changed there are none, and `test/rpc/direct-call.test.ts` and `receive-window.test.ts` fail.
 */
export function http2ServersOf(server: Server): Http2Server[] {
  const servers: unknown = Reflect.get(server, "http2Servers");
  return servers instanceof Map ? [...(servers.keys() as Iterable<Http2Server>)] : [];
}

/**
 * Lets clients send so much per call before it is read; on a connection as much, or `connectionWindowBytesMin`. HTTP/2
 * begins with 64 KiB for both, which is 3 MB/s at a round trip of 20 ms.
 */
export function setReceiveWindow(http2: Http2Server, callBytes: number): void {
  http2.on("session", (session: ServerHttp2Session) => {
    session.settings({ initialWindowSize: callBytes });
    session.setLocalWindowSize(connectionWindowBytes(callBytes));
  });
}

/** What a connection can make the server hold that nobody has read yet, in bytes. */
export function connectionWindowBytes(callBytes: number): number {
  return Math.max(callBytes, connectionWindowBytesMin);
}

/** Room for several calls, so that one that is not read does not stop the others at once. */
const connectionWindowBytesMin = 1024 * 1024;
