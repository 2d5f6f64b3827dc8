import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { type ConnectionOptions, connect as connectTls } from "node:tls";
import { beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { silentLog } from "../../lib/base/log.ts";
import { makeAuthority, makeClientPair, makeServerPair } from "../../lib/rpc/certificates.ts";
import { Channel } from "../../lib/rpc/client.ts";
import { everyMethod } from "../../lib/rpc/gate.ts";
import type { Listener, ListenerOptions } from "../../lib/rpc/listener.ts";
import { RpcServer } from "../../lib/rpc/server.ts";
import type { ClientTls, KeyPair, ServerTls } from "../../lib/rpc/tls.ts";
import { QueryService } from "../../proto/gen/telemetry/v1/query_service_pb.js";
import { failureOf } from "../support/rpc.ts";

let authority: KeyPair;
let otherAuthority: KeyPair;
let server: KeyPair;

beforeAll(async () => {
  authority = await makeAuthority("test", 1);
  otherAuthority = await makeAuthority("another", 1);
  server = await makeServerPair(authority, ["localhost", "127.0.0.1"], 1);
});

/** A server that lists no devices, and streams until it is let go. */
async function listen(options: ListenerOptions = {}): Promise<{ listener: Listener; release(): void }> {
  const rpc = new RpcServer(silentLog);
  const released = Promise.withResolvers<void>();
  rpc.add(
    QueryService,
    "messages",
    {
      listDevices: async () => ({ devices: [] }),
      subscribe: async function* () {
        yield {};
        await released.promise;
        yield {};
      },
    } as never,
    everyMethod(QueryService, "query"),
  );
  const listener = await rpc.listen("127.0.0.1:0", options);
  onTestFinished(async () => {
    released.resolve();
    await rpc.close(0);
  });
  return { listener, release: released.resolve };
}

function channelTo(address: string, tls?: ClientTls): Channel {
  const channel = new Channel(address, { tls });
  onTestFinished(() => channel.close());
  return channel;
}

function ask(address: string, tls?: ClientTls) {
  return channelTo(address, tls).client(QueryService, "messages").listDevices({}, { timeoutMs: 5_000 });
}

function portOf(address: string): number {
  return Number(address.split(":").at(-1));
}

async function socketTo(address: string): Promise<Socket> {
  const socket = connect(portOf(address), "127.0.0.1");
  onTestFinished(() => void socket.destroy());
  socket.on("error", () => {});
  await once(socket, "connect");
  return socket;
}

/** Resolves when the server has cut it. */
async function cut(socket: Socket): Promise<void> {
  socket.resume();
  if (!socket.closed) await once(socket, "close");
}

describe("connections", () => {
  it.each(["connectionsMax", "connectionsPerAddressMax"] as const)(
    "over %s are cut, until others have ended",
    async (limit) => {
      const { listener } = await listen({ limits: { [limit]: 2 } });
      const [first] = [await socketTo(listener.address), await socketTo(listener.address)];
      await cut(await socketTo(listener.address));
      expect(listener.refusals).toEqual({ full: 1, silent: 0, handshake: 0, certificate: 0 });
      expect(listener.connections).toBe(2);
      first.destroy();
      // Its end and the next connection reach the server in this order or the other: a client tries again.
      while (listener.connections === 2) await new Promise(setImmediate);
      expect(await ask(listener.address)).toMatchObject({ devices: [] });
    },
  );

  it("that say nothing are cut after the time for it", async () => {
    const { listener } = await listen({ limits: { handshakeMsMax: 20 } });
    await cut(await socketTo(listener.address));
    expect(listener.refusals.silent).toBe(1);
  });

  it("that say half of what HTTP/2 begins with are cut as well", async () => {
    const { listener } = await listen({ limits: { handshakeMsMax: 20 } });
    const socket = await socketTo(listener.address);
    socket.write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    await cut(socket);
    expect(listener.refusals.silent).toBe(1);
  });

  it("that have spoken may be silent", async () => {
    const { listener } = await listen({ limits: { handshakeMsMax: 50 } });
    const channel = channelTo(listener.address);
    const { listDevices } = channel.client(QueryService, "messages");
    await listDevices({});
    // A later connection has had its time: the first one had it before.
    await cut(await socketTo(listener.address));
    await listDevices({});
    expect(listener.refusals).toEqual({ full: 0, silent: 1, handshake: 0, certificate: 0 });
  });
});

describe("TLS", () => {
  it("serves who knows its authority, by a name or an address of its certificate", async () => {
    const { listener } = await listen({ tls: server });
    const port = portOf(listener.address);
    expect(await ask(listener.address, { ca: authority.cert })).toMatchObject({ devices: [] });
    expect(await ask(`localhost:${port}`, { ca: authority.cert })).toMatchObject({ devices: [] });
  });

  it("is refused by a client that does not know its authority, or expects another name", async () => {
    const { listener } = await listen({ tls: server });
    const strange: ClientTls[] = [{ ca: otherAuthority.cert }, {}, { ca: authority.cert, serverName: "elsewhere" }];
    for (const tls of strange)
      expect(await failureOf(ask(listener.address, tls))).toMatchObject({ status: "UNAVAILABLE" });
  });

  it("goes by the name that a client overrides", async () => {
    const named = await makeServerPair(authority, ["telemetry.example.com"], 1);
    const { listener } = await listen({ tls: named });
    expect(await failureOf(ask(listener.address, { ca: authority.cert }))).toMatchObject({ status: "UNAVAILABLE" });
    const tls = { ca: authority.cert, serverName: "telemetry.example.com" };
    expect(await ask(listener.address, tls)).toMatchObject({ devices: [] });
  });

  it("is of version 1.2 or 1.3, and of HTTP/2", async () => {
    const { listener } = await listen({ tls: server });
    const handshake = async (options: ConnectionOptions) => {
      const socket = connectTls({
        port: portOf(listener.address),
        host: "127.0.0.1",
        ca: authority.cert,
        ALPNProtocols: ["h2"],
        ...options,
      });
      onTestFinished(() => void socket.destroy());
      await once(socket, "secureConnect");
      return { version: socket.getProtocol(), protocol: socket.alpnProtocol };
    };
    expect(await handshake({})).toEqual({ version: "TLSv1.3", protocol: "h2" });
    expect(await handshake({ maxVersion: "TLSv1.2" })).toEqual({ version: "TLSv1.2", protocol: "h2" });
    const old = { minVersion: "TLSv1", maxVersion: "TLSv1.1", ciphers: "DEFAULT@SECLEVEL=0" } as const;
    await expect(handshake(old)).rejects.toThrow();
    await expect(handshake({ ALPNProtocols: ["http/1.1"] })).rejects.toThrow();
    expect(listener.refusals.handshake).toBe(2);
  });

  it("cuts who does not go on with the handshake", async () => {
    const { listener } = await listen({ tls: server, limits: { handshakeMsMax: 20 } });
    await cut(await socketTo(listener.address));
    expect(listener.refusals.silent).toBe(1);
  });

  it("cuts who speaks in clear text, and a plain server who speaks TLS", async () => {
    const [secure, plain] = [await listen({ tls: server }), await listen()];
    expect(await failureOf(ask(secure.listener.address))).toMatchObject({ status: "UNAVAILABLE" });
    const mistaken = failureOf(ask(plain.listener.address, { ca: authority.cert }));
    expect(await mistaken).toMatchObject({ status: "UNAVAILABLE" });
  });

  it("takes another certificate for new connections, and those that there are go on", async () => {
    const { listener, release } = await listen({ tls: server });
    const renewed = await makeServerPair(otherAuthority, ["127.0.0.1"], 1);
    const stream = channelTo(listener.address, { ca: authority.cert })
      .client(QueryService, "messages")
      .subscribe({})
      [Symbol.asyncIterator]();
    await stream.next();
    listener.setTls(renewed);
    expect(await ask(listener.address, { ca: otherAuthority.cert })).toMatchObject({ devices: [] });
    expect(await failureOf(ask(listener.address, { ca: authority.cert }))).toMatchObject({ status: "UNAVAILABLE" });
    release();
    expect(await stream.next()).toMatchObject({ done: false });
    expect(await stream.next()).toMatchObject({ done: true });
  });
});

describe("a server that asks for certificates", () => {
  const mutual = (): ServerTls => ({ ...server, clientCa: authority.cert });

  it("serves who has one of its authority", async () => {
    const { listener } = await listen({ tls: mutual() });
    const pair = await makeClientPair(authority, "gateway-7", 1);
    expect(await ask(listener.address, { ca: authority.cert, pair })).toMatchObject({ devices: [] });
  });

  it.each([
    ["none", async () => undefined],
    ["one of another authority", async () => await makeClientPair(otherAuthority, "gateway-7", 1)],
    ["one that has ended", async () => await makeClientPair(authority, "gateway-7", -1)],
    ["one that is a server's", async () => server],
  ])("cuts who has %s", async (_, make) => {
    const { listener } = await listen({ tls: mutual() });
    const pair = await make();
    const failure = await failureOf(ask(listener.address, { ca: authority.cert, pair }));
    expect(failure).toMatchObject({ status: "UNAVAILABLE" });
    expect(listener.refusals.certificate).toBeGreaterThan(0);
  });
});
