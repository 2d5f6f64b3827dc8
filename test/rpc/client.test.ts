import { once } from "node:events";
import { createServer, type IncomingHttpHeaders } from "node:http2";
import type { AddressInfo } from "node:net";
import type { ServiceError } from "@grpc/grpc-js";
import { beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { TelemetryError } from "../../lib/base/errors.ts";
import { messageBytesHardMax } from "../../lib/base/limits.ts";
import { silentLog } from "../../lib/base/log.ts";
import { makeAuthority, makeServerPair } from "../../lib/rpc/certificates.ts";
import { Channel, type ChannelOptions } from "../../lib/rpc/client.ts";
import type { CallReport } from "../../lib/rpc/client-interceptors.ts";
import { everyMethod } from "../../lib/rpc/gate.ts";
import { RpcServer } from "../../lib/rpc/server.ts";
import { attemptsMax, repeatable } from "../../lib/rpc/service-config.ts";
import type { KeyPair } from "../../lib/rpc/tls.ts";
import { AdminService } from "../../proto/gen/telemetry/v1/admin_service_pb.js";
import { DeviceService } from "../../proto/gen/telemetry/v1/device_service_pb.js";
import { IngestService } from "../../proto/gen/telemetry/v1/ingest_service_pb.js";
import { QueryService } from "../../proto/gen/telemetry/v1/query_service_pb.js";
import { startProxy } from "../support/proxy.ts";
import { aborted, collect, failureOf, serve } from "../support/rpc.ts";

const unavailable = () => new TelemetryError("UNAVAILABLE", "DRAINING", "the server is shutting down");
const exhausted = (retryAfterMs?: number) =>
  new TelemetryError("RESOURCE_EXHAUSTED", "TOO_MANY_QUERIES", "too many", { retryAfterMs });

function channelTo(address: string, options?: ChannelOptions): Channel {
  const channel = new Channel(address, options);
  onTestFinished(() => channel.close());
  return channel;
}

/** A server whose reads and writes fail as often as said, with a channel that repeats calls. */
async function failing(times: number, error: () => TelemetryError, options?: ChannelOptions) {
  const attempts: string[] = [];
  const attempt = (name: string) => {
    attempts.push(name);
    if (attempts.length <= times) throw error();
    return {};
  };
  const { address, channel: devices } = await serve(DeviceService, "messages", {
    createDevice: async () => attempt("createDevice"),
  });
  devices.close();
  const { address: queryAddress } = await serve(QueryService, "messages", {
    listDevices: async () => attempt("listDevices"),
    async *queryRange() {
      yield attempt("queryRange");
    },
  });
  const channel = channelTo(queryAddress, options);
  const registry = channelTo(address, options);
  return {
    attempts,
    channel,
    query: channel.client(QueryService, "messages"),
    devices: registry.client(DeviceService, "messages"),
  };
}

describe("a method", () => {
  it("may be repeated where the contract says so, and no other", () => {
    const names = [AdminService, DeviceService, IngestService, QueryService]
      .flatMap(repeatable)
      .map(({ name }) => name);
    expect(names).toEqual(["GetStatus", "UpdateDevice", "PushBatch", "ListDevices", "GetDevice", "ListMetrics"]);
  });
});

describe("a unary call", () => {
  it("that may be repeated is, after UNAVAILABLE, and counts as one call", async () => {
    const { attempts, channel, query } = await failing(2, unavailable);
    expect(await query.listDevices({})).toMatchObject({ devices: [] });
    expect(attempts).toEqual(["listDevices", "listDevices", "listDevices"]);
    expect([...channel.calls]).toEqual([["/telemetry.v1.QueryService/ListDevices OK", 1]]);
  });

  it("that may not be repeated is not", async () => {
    const { attempts, devices } = await failing(1, unavailable);
    expect(await failureOf(devices.createDevice({}))).toMatchObject({ reason: "DRAINING" });
    expect(attempts).toEqual(["createDevice"]);
  });

  it("is not repeated where its channel does not want that", async () => {
    const { attempts, query } = await failing(1, unavailable, { retries: false });
    expect(await failureOf(query.listDevices({}))).toMatchObject({ reason: "DRAINING" });
    expect(attempts).toEqual(["listDevices"]);
  });

  it("is repeated a bounded number of times, and then fails with what the server says", async () => {
    const { attempts, channel, query } = await failing(Number.POSITIVE_INFINITY, unavailable);
    expect(await failureOf(query.listDevices({}))).toMatchObject({ status: "UNAVAILABLE", reason: "DRAINING" });
    expect(attempts).toHaveLength(attemptsMax);
    expect([...channel.calls]).toEqual([["/telemetry.v1.QueryService/ListDevices UNAVAILABLE", 1]]);
  });

  it("comes again when a server that is exhausted has said", async () => {
    const { attempts, query } = await failing(1, () => exhausted(300));
    const startMs = performance.now();
    await query.listDevices({});
    expect(attempts).toHaveLength(2);
    // Without, it would be back after 120 ms at most.
    expect(performance.now() - startMs).toBeGreaterThan(290);
  });

  it.each<[string, number | undefined]>([
    ["nobody knows when", undefined],
    ["that is longer than a call should wait", 5_001],
  ])("does not come again to a server that is exhausted when %s", async (_, retryAfterMs) => {
    const { attempts, query } = await failing(1, () => exhausted(retryAfterMs));
    expect(await failureOf(query.listDevices({}))).toMatchObject({ reason: "TOO_MANY_QUERIES", retryAfterMs });
    expect(attempts).toHaveLength(1);
  });

  it("that is too large for the server is not sent again", async () => {
    const { address } = await serve(IngestService, "bytes", { pushBatch: async () => new Uint8Array() });
    const channel = channelTo(address);
    const startMs = performance.now();
    const tooLarge = new Uint8Array(messageBytesHardMax + 1);
    const failure = await failureOf(channel.client(IngestService, "bytes").pushBatch(tooLarge));
    expect(failure).toMatchObject({ status: "RESOURCE_EXHAUSTED" });
    // What a server has refused more than once tells so.
    const { metadata } = failure.cause as ServiceError;
    expect(metadata.get("grpc-previous-rpc-attempts")).toEqual([]);
    expect(performance.now() - startMs).toBeLessThan(5_000);
  });

  it("has a deadline by default, and may have another", async () => {
    const { address } = await serve(QueryService, "messages", {
      listDevices: async (_, { signal }) => {
        await aborted(signal);
        return {};
      },
    });
    const channel = channelTo(address, { unaryTimeoutMs: 50 });
    const query = channel.client(QueryService, "messages");
    const startMs = performance.now();
    expect(await failureOf(query.listDevices({}))).toMatchObject({ status: "DEADLINE_EXCEEDED" });
    expect(await failureOf(query.listDevices({}, { timeoutMs: 100 }))).toMatchObject({ status: "DEADLINE_EXCEEDED" });
    expect(performance.now() - startMs).toBeGreaterThanOrEqual(145);
    expect([...channel.calls]).toEqual([["/telemetry.v1.QueryService/ListDevices DEADLINE_EXCEEDED", 2]]);
  });
});

describe("a stream", () => {
  it("is never repeated", async () => {
    const { attempts, query } = await failing(1, unavailable);
    expect(await failureOf(query.queryRange({}))).toMatchObject({ reason: "DRAINING" });
    expect(attempts).toEqual(["queryRange"]);
  });

  it("waits for the network from its first message on, before the server has answered: nothing is kept", async () => {
    const { address } = await serve(IngestService, "bytes", {
      pushBatch: async () => new Uint8Array(),
      async *streamBatches(requests) {
        for await (const request of requests) yield request;
      },
    });
    const proxy = await startProxy(address);
    const channel = channelTo(proxy.address);
    const client = channel.client(IngestService, "bytes");
    await client.pushBatch(new Uint8Array());
    proxy.stall();
    const stream = client.streamBatches();
    let written = 0;
    const writing = (async () => {
      for (; written < 1_000; written += 1) await stream.write(new Uint8Array(10_000));
    })();
    // The window of the server takes 26 of them, the stream itself 16; what was kept would be 100 more, 1 MiB.
    for (let turn = 0; turn < 1_000; turn += 1) await new Promise(setImmediate);
    expect(written).toBeLessThan(80);
    writing.catch(() => {});
    channel.close();
    proxy.goOn();
    proxy.cut();
    await writing.catch(() => {});
  });

  it("shares one connection with unary calls", async () => {
    const rpc = new RpcServer(silentLog);
    const released = Promise.withResolvers<void>();
    rpc.add(
      QueryService,
      "messages",
      {
        listDevices: async () => ({}),
        subscribe: async function* () {
          yield {};
          await released.promise;
        },
      } as never,
      everyMethod(QueryService, "query"),
    );
    const listener = await rpc.listen("127.0.0.1:0");
    onTestFinished(() => rpc.close(0));
    const channel = channelTo(listener.address);
    const query = channel.client(QueryService, "messages");
    const responses = query.subscribe({})[Symbol.asyncIterator]();
    await responses.next();
    await query.listDevices({});
    expect(listener.connections).toBe(1);
    const another = channel.another();
    onTestFinished(() => another.close());
    await another.client(QueryService, "messages").listDevices({});
    expect(listener.connections).toBe(2);
    released.resolve();
    await collect({ [Symbol.asyncIterator]: () => responses });
  });
});

describe("a report of calls", () => {
  it("tells method, status and time of each, also of streams", async () => {
    const { address } = await serve(QueryService, "messages", {
      listDevices: async () => ({}),
      async *queryRange() {
        yield {};
        throw unavailable();
      },
    });
    const reports: CallReport[] = [];
    const query = channelTo(address, { onCall: (call) => reports.push(call) }).client(QueryService, "messages");
    await query.listDevices({});
    await failureOf(query.queryRange({}));
    const durationMs = expect.any(Number);
    expect(reports).toEqual([
      { path: "/telemetry.v1.QueryService/ListDevices", status: "OK", durationMs },
      { path: "/telemetry.v1.QueryService/QueryRange", status: "UNAVAILABLE", durationMs },
    ]);
  });
});

describe("several addresses", () => {
  /** A label may have 63 characters: nobody needs to be asked. */
  const unknown = `${"x".repeat(64)}.invalid:1`;
  let authority: KeyPair;
  let pair: KeyPair;

  beforeAll(async () => {
    authority = await makeAuthority("test", 1);
    pair = await makeServerPair(authority, ["localhost"], 1);
  });

  /** A server that tells its name where the next page would be. */
  async function named(name: string, tls?: KeyPair) {
    const rpc = new RpcServer(silentLog);
    const handlers = { listDevices: async () => ({ nextPageToken: name }) } as never;
    rpc.add(QueryService, "messages", handlers, everyMethod(QueryService, "query"));
    const { address } = await rpc.listen("127.0.0.1:0", { tls });
    onTestFinished(() => rpc.close(0));
    return { rpc, address, port: Number(address.split(":")[1]) };
  }

  const askedOf = (channel: Channel) => async () =>
    (await channel.client(QueryService, "messages").listDevices({})).nextPageToken;

  /** Asks until each has answered. */
  async function untilAll(names: readonly string[], ask: () => Promise<string>): Promise<void> {
    const missing = new Set(names);
    while (missing.size > 0) missing.delete(await ask());
  }

  it("spreads calls over their servers, and goes on when one of them stops", async () => {
    const [first, second] = [await named("first"), await named("second")];
    const ask = askedOf(channelTo(`${first.address},${second.address}`));
    await untilAll(["first", "second"], ask);
    const answers = await Promise.all(Array.from({ length: 10 }, ask));
    expect(answers.toSorted()).toEqual([...Array(5).fill("first"), ...Array(5).fill("second")]);
    await first.rpc.close(0);
    for (let i = 0; i < 10; i += 1) expect(await ask()).toBe("second");
  });

  it("may be names, of which one may not be known", async () => {
    const [first, second] = [await named("first"), await named("second")];
    const addresses = [unknown, `localhost:${first.port}`, second.address];
    await untilAll(["first", "second"], askedOf(channelTo(addresses.join(","))));
  });

  it("may be the same twice", async () => {
    const { address } = await named("only");
    expect(await askedOf(channelTo(`${address},${address}`))()).toBe("only");
  });

  it("say why none can be reached", async () => {
    const { rpc, address } = await named("stopped");
    await rpc.close(0);
    await expect(channelTo(`${address},${address}`).ready(300)).rejects.toThrow(/ECONNREFUSED/);
    await expect(channelTo(unknown).ready(1_000)).rejects.toThrow("its name is not known");
  });

  it("take certificates of any of the names, and of no other", async () => {
    const [first, second] = [await named("first", pair), await named("second", pair)];
    const addresses = `localhost:${first.port},127.0.0.1:${second.port}`;
    await untilAll(["first", "second"], askedOf(channelTo(addresses, { tls: { ca: authority.cert } })));
    const numbers = `${first.address},${second.address}`;
    expect(await failureOf(askedOf(channelTo(numbers, { tls: { ca: authority.cert } }))())).toMatchObject({
      status: "UNAVAILABLE",
    });
    const tls = { ca: authority.cert, serverName: "localhost" };
    await untilAll(["first", "second"], askedOf(channelTo(numbers, { tls })));
  });
});

describe("a channel with gzip", () => {
  it("sends requests compressed, and says so", async () => {
    const seen = Promise.withResolvers<{ headers: IncomingHttpHeaders; body: Buffer }>();
    const server = createServer().on("stream", async (stream, headers) => {
      const pieces: Buffer[] = [];
      for await (const piece of stream) pieces.push(piece as Buffer);
      stream.respond(
        { ":status": 200, "content-type": "application/grpc", "grpc-status": "3", "grpc-message": "seen" },
        { endStream: true },
      );
      seen.resolve({ headers, body: Buffer.concat(pieces) });
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    onTestFinished(() => void server.close());
    const channel = channelTo(`127.0.0.1:${(server.address() as AddressInfo).port}`, { gzip: true });
    const failure = failureOf(channel.client(IngestService, "bytes").pushBatch(new Uint8Array(100_000)));
    const { headers, body } = await seen.promise;
    expect(headers["grpc-encoding"]).toBe("gzip");
    expect(body[0]).toBe(1);
    expect(body.length).toBeLessThan(1_000);
    expect(await failure).toMatchObject({ status: "INVALID_ARGUMENT", message: "seen" });
  });
});
