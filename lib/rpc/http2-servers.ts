import type { Http2Server, ServerHttp2Session } from "node:http2";
import type { Socket } from "node:net";
import type { Server } from "@grpc/grpc-js";

/**
 * The HTTP/2 servers below a bound server of grpc-js, which has no door to them: this reaches into it. Where it has
 * changed there are none, and `test/rpc/direct-call.test.ts` and `receive-window.test.ts` fail.
 */
export function http2ServersOf(server: Server): Http2Server[] {
  const servers: unknown = Reflect.get(server, "http2Servers");
  return servers instanceof Map ? [...(servers.keys() as Iterable<Http2Server>)] : [];
}

/** The connections that there are, from now on. */
export function connectionsOf(http2: Http2Server): ReadonlySet<Socket> {
  const sockets = new Set<Socket>();
  http2.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  return sockets;
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
