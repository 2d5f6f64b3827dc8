import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { onTestFinished } from "vitest";

/** A way to a server that can be cut, as networks are. */
export interface Proxy {
  readonly address: string;
  /** Destroys the connections through it, without a farewell. New ones are taken. */
  cut(): void;
  /** Nothing goes either way until `goOn`. */
  stall(): void;
  goOn(): void;
}

/** @param target `HOST:PORT` */
export async function startProxy(target: string): Promise<Proxy> {
  const [host, port] = target.split(":");
  const sockets = new Set<Socket>();
  const keep = (socket: Socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => {});
  };
  const server = createServer((inbound) => {
    // As the two ends have it; else small frames wait for each other's acknowledgement.
    inbound.setNoDelay(true);
    const outbound = connect({ port: Number(port), host, noDelay: true });
    keep(inbound);
    keep(outbound);
    inbound.pipe(outbound).pipe(inbound);
  });
  const cut = () => {
    for (const socket of sockets) socket.destroy();
  };
  const stall = () => {
    for (const socket of sockets) socket.pause();
  };
  const goOn = () => {
    for (const socket of sockets) socket.resume();
  };
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    cut();
    server.close();
  });
  return { address: `127.0.0.1:${(server.address() as AddressInfo).port}`, cut, stall, goOn };
}
