import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import type { BenchServerReady, ServerUsage } from "../../../bench/server/messages.ts";
import { SocketBytes } from "../../../bench/server/socket-bytes.ts";
import { IngestService } from "../../../proto/gen/telemetry/v1/ingest_service_pb.js";
import { ask, forkServer, optionsOf } from "../../support/bench-process.ts";
import { BenchClient, benchServerOfTest, typeOf } from "../../support/bench-server.ts";

/** Bytes of a body that no header or frame comes near. */
const bodyBytes = 1_000_000;

/** A relay before each address of a server, which counts what it carries. */
async function throughRelays(server: BenchServerReady) {
  const carried = { toServer: 0, toClient: 0 };
  const relay = async (address: string) => {
    const [host, port] = address.split(":");
    const sockets: Socket[] = [];
    const listener = createServer((client) => {
      const upstream = connect(Number(port), host);
      sockets.push(client, upstream);
      for (const socket of [client, upstream]) socket.on("error", () => {});
      client.on("data", (chunk) => {
        carried.toServer += chunk.length;
      });
      upstream.on("data", (chunk) => {
        carried.toClient += chunk.length;
      });
      client.pipe(upstream).pipe(client);
    });
    listener.listen(0, "127.0.0.1");
    await once(listener, "listening");
    onTestFinished(() => {
      for (const socket of sockets) socket.destroy();
      listener.close();
    });
    return `127.0.0.1:${(listener.address() as { port: number }).port}`;
  };
  const { grpc, http1, http2 } = server;
  const ready = { ...server, grpc: await relay(grpc), http1: await relay(http1), http2: await relay(http2) };
  return { client: new BenchClient(ready), carried };
}

const ways: Readonly<Record<string, (client: BenchClient) => Promise<unknown>>> = {
  http1: (client) => client.http1(Buffer.alloc(bodyBytes), { headers: typeOf("json-rows") }),
  http2: (client) => client.http2(Buffer.alloc(bodyBytes), { headers: typeOf("json-rows") }),
  grpc: (client) => {
    // An unknown field of this size: the message is that long, and there is nothing else in it.
    const message = Buffer.concat([Buffer.from([0x22, 0xc0, 0x84, 0x3d]), Buffer.alloc(bodyBytes)]);
    return client.channel.client(IngestService, "bytes").pushBatch(message);
  },
};

describe.each([false, true])("bytes at the sockets, TLS: %s", (tls) => {
  it("are those that the network carries, by every way", async () => {
    // In a process of its own: the relays accept connections too.
    const { child, ready } = await forkServer(await optionsOf({ isNull: true, tls }));
    let before = { bytesReceived: 0, bytesSent: 0 };
    for (const [way, send] of Object.entries(ways)) {
      const { client, carried } = await throughRelays(ready);
      onTestFinished(() => client.close());
      for (let request = 1; request <= 3; request += 1) await send(client);
      const { usage = before } = await ask(child, "usage");
      const [received, sent] = [usage.bytesReceived - before.bytesReceived, usage.bytesSent - before.bytesSent];
      before = usage;
      expect(received, way).toBeGreaterThan(3 * bodyBytes);
      expect(received, way).toBeLessThan(3.05 * bodyBytes);
      // Control frames may be on their way behind the answer.
      expect(Math.abs(received - carried.toServer), way).toBeLessThan(200);
      expect(sent, way).toBeGreaterThan(100);
      expect(Math.abs(sent - carried.toClient), way).toBeLessThan(200);
    }
  });
});

describe("bytes of connections", () => {
  it("still count when they have ended, and no longer when counting has stopped", async () => {
    const counted = new SocketBytes();
    const listener = createServer((socket) => socket.end("four"));
    listener.listen(0, "127.0.0.1");
    await once(listener, "listening");
    const talk = async () => {
      const { port } = listener.address() as { port: number };
      const accepted = once(listener, "connection") as Promise<[Socket]>;
      const client = connect(port, "127.0.0.1");
      client.end("sixsix");
      client.resume();
      const [socket] = await accepted;
      socket.resume();
      await Promise.all([once(socket, "close"), once(client, "close")]);
    };
    await talk();
    await talk();
    expect([counted.received, counted.sent]).toEqual([12, 8]);
    counted.stop();
    await talk();
    expect([counted.received, counted.sent]).toEqual([12, 8]);
    listener.close();
  });
});

setFlagsFromString("--expose-gc");

/** @returns nothing that would keep the memory */
function fill(bytes: number): number {
  return Buffer.alloc(bytes, 1).length;
}

describe("usage", () => {
  it("has processor time, and a peak of memory that can be begun anew", async () => {
    const { server } = await benchServerOfTest({ isNull: true });
    const before = server.usage();
    expect(before.cpuSeconds).toBeGreaterThan(0);
    expect(before.rssBytes).toBeGreaterThan(10_000_000);
    fill(200_000_000);
    const collectGarbage = runInNewContext("gc") as () => void;
    collectGarbage();
    const isFreed = ({ rssBytes, rssPeakBytes }: ServerUsage) => rssPeakBytes > rssBytes + 100_000_000;
    // V8 gives it back on a thread of its own.
    await vi.waitUntil(() => isFreed(server.usage()));
    expect(server.usage().cpuSeconds).toBeGreaterThan(before.cpuSeconds);
    server.resetPeak();
    const anew = server.usage();
    expect(anew.rssPeakBytes).toBeLessThan(anew.rssBytes + 50_000_000);
  });

  it("tells the settings of the database and the limits", async () => {
    const [durable, quick] = await Promise.all([
      benchServerOfTest({ durability: "fsync" }),
      benchServerOfTest({ durability: "process" }),
    ]);
    expect(durable.server.ready.pragmas).toMatchObject({ journal_mode: "wal", synchronous: "2", page_size: "4096" });
    expect(durable.server.ready.limits).toBe(
      "65535 series per device, any number of series in all, any number of samples/s per device, times up to 10m ahead",
    );
    expect(quick.server.ready.pragmas).toMatchObject({ journal_mode: "wal", synchronous: "1" });
  });
});
