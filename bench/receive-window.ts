import { fork } from "node:child_process";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { fileURLToPath } from "node:url";
import { silentLog } from "../lib/base/log.ts";
import { Channel } from "../lib/rpc/client.ts";
import { Direct } from "../lib/rpc/direct-call.ts";
import { everyMethod } from "../lib/rpc/gate.ts";
import { RpcServer } from "../lib/rpc/server.ts";
import { IngestService } from "../proto/gen/telemetry/v1/ingest_service_pb.js";
import { printMachine } from "./measure.ts";

/**
 * How fast one gateway's stream can be over a long line, by the window that the server gives it: its messages go through a
 * proxy that delays each way by 10 ms, to a server that reads them and does nothing else.
 *
 *     node bench/receive-window.ts
 */
const kib = 1024;
const oneWayMs = 10;
const messageBytes = 64 * kib;
const measureMs = 4_000;
const windows = [64 * kib, 256 * kib, 1024 * kib, 4096 * kib];

if (process.argv[2] === "serve") await serve(Number(process.argv[3]));
else await main();

async function main(): Promise<void> {
  printMachine();
  console.log(`one stream, ${2 * oneWayMs} ms round trip, messages of ${messageBytes / kib} KiB`);
  for (const windowBytes of windows) {
    const child = fork(fileURLToPath(import.meta.url), ["serve", String(windowBytes)]);
    const [address] = (await once(child, "message")) as [string];
    const proxy = await delayed(address);
    const channel = new Channel(proxy.address);
    const stream = channel.client(IngestService, "bytes").streamBatches();
    const message = new Uint8Array(messageBytes);
    const startMs = performance.now();
    let bytes = 0;
    while (performance.now() - startMs < measureMs) {
      await stream.write(message);
      bytes += messageBytes;
    }
    const seconds = (performance.now() - startMs) / 1_000;
    console.log(`  window ${String(windowBytes / kib).padStart(5)} KiB: ${(bytes / 1e6 / seconds).toFixed(1)} MB/s`);
    channel.close();
    proxy.close();
    child.kill();
    await once(child, "exit");
  }
}

async function serve(windowBytes: number): Promise<void> {
  const rpc = new RpcServer(silentLog, { receiveWindowBytes: windowBytes });
  rpc.add(
    IngestService,
    "bytes",
    {
      pushBatch: async () => new Uint8Array(),
      uploadBatches: async () => new Uint8Array(),
      streamBatches: new Direct(() => ({ onMessage: () => true, onEnd() {}, onOver() {} })),
    },
    everyMethod(IngestService, "ingest"),
  );
  process.send?.((await rpc.listen("127.0.0.1:0")).address);
}

/** A way to a server on which everything takes `oneWayMs`, whatever its amount. */
async function delayed(target: string) {
  const [host, port] = target.split(":");
  const sockets = new Set<Socket>();
  const pass = (from: Socket, to: Socket) => {
    sockets.add(from);
    from.on("error", () => {});
    from.on("data", (piece) => setTimeout(() => to.write(piece), oneWayMs));
    from.on("close", () => to.destroy());
  };
  const server = createServer((inbound) => {
    const outbound = connect({ host, port: Number(port), noDelay: true });
    inbound.setNoDelay(true);
    pass(inbound, outbound);
    pass(outbound, inbound);
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    close() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
