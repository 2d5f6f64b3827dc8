import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { type ClientHttp2Stream, connect, constants } from "node:http2";
import { create, toBinary } from "@bufbuild/protobuf";
import { describe, expect, it, onTestFinished } from "vitest";
import { TelemetryError } from "../../lib/base/errors.ts";
import { messageBytesHardMax } from "../../lib/base/limits.ts";
import { silentLog } from "../../lib/base/log.ts";
import { Channel, type ChannelOptions } from "../../lib/rpc/client.ts";
import { Direct, type DirectCall, type DirectHandler } from "../../lib/rpc/direct-call.ts";
import { everyMethod } from "../../lib/rpc/gate.ts";
import { Http2Call } from "../../lib/rpc/http2-call.ts";
import { joinMessages } from "../../lib/rpc/message-splitter.ts";
import { RpcServer } from "../../lib/rpc/server.ts";
import { IngestService, StreamBatchesResponseSchema } from "../../proto/gen/telemetry/v1/ingest_service_pb.js";
import { startProxy } from "../support/proxy.ts";
import { atRest, collect, failureOf } from "../support/rpc.ts";

const method = IngestService.method.streamBatches;
/** A response that says which way its call went. */
const drain = (detail: string) =>
  toBinary(
    StreamBatchesResponseSchema,
    create(StreamBatchesResponseSchema, { message: { case: "drain", value: { detail } } }),
  );

async function serveDirect(handler: DirectHandler = echo) {
  const rpc = new RpcServer(silentLog);
  rpc.add(
    IngestService,
    "bytes",
    {
      pushBatch: async () => new Uint8Array(),
      uploadBatches: async () => new Uint8Array(),
      streamBatches: new Direct(handler),
    },
    everyMethod(IngestService, "ingest"),
  );
  const { address } = await rpc.listen("127.0.0.1:0");
  onTestFinished(() => rpc.close(0));
  const open = (options?: ChannelOptions, to = address) => {
    const channel = new Channel(to, options);
    onTestFinished(() => channel.close());
    return channel.client(IngestService, "bytes");
  };
  return { rpc, address, open };
}

/** Sends back what comes, and ends when its client has. */
const echo: DirectHandler = (call) => ({
  onMessage(message) {
    call.send([message.slice()], () => {});
    return true;
  },
  onEnd: () => call.end(),
  onOver: () => {},
});

/** A handler that keeps what happens on a call, in words. */
function recorded(onMessage = (_message: Uint8Array, _call: DirectCall) => true) {
  const events: string[] = [];
  const over = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<void>();
  const calls: DirectCall[] = [];
  const handler: DirectHandler = (call) => {
    calls.push(call);
    return {
      onMessage(message) {
        events.push(`message ${message.length}`);
        return onMessage(message, call);
      },
      onEnd() {
        events.push("end");
        ended.resolve();
      },
      onOver() {
        events.push("over");
        over.resolve();
      },
    };
  };
  return { handler, events, calls, ended: ended.promise, over: over.promise };
}

/** A call by HTTP/2 alone, for what no client of gRPC would send. */
async function raw(address: string, headers: Record<string, string> = {}): Promise<ClientHttp2Stream> {
  const session = connect(`http://${address}`);
  onTestFinished(() => session.close());
  return session.request({
    ":method": "POST",
    ":path": `/${method.parent.typeName}/${method.name}`,
    "content-type": "application/grpc",
    te: "trailers",
    ...headers,
  });
}

/** The ways that a call can take. */
const ways: readonly (readonly [name: string, options: ChannelOptions, isDirect: boolean])[] = [
  ["past grpc-js", {}, true],
  ["with grpc-js, as it is compressed", { gzip: true }, false],
];

describe.each(ways)("a call that goes %s", (_, options, isDirect) => {
  it("goes so, message by message and in order", async () => {
    const { handler, calls } = recorded();
    const { open } = await serveDirect((call, principal) => ({
      ...handler(call, principal),
      ...echo(call, principal),
    }));
    const { write, end, responses } = open(options).streamBatches();
    const details = ["direct", "again", "x".repeat(100)];
    for (const detail of details) await write(drain(detail));
    end();
    const answers = await collect(responses);
    expect(answers.map(({ message }) => message.case === "drain" && message.value.detail)).toEqual(details);
    expect(calls.map((call) => call instanceof Http2Call)).toEqual([isDirect]);
  });

  it("is not read while its handler does not take more, and goes on where it was", async () => {
    let mayGoOn = false;
    const { handler, events, calls, ended } = recorded(() => mayGoOn);
    const { open } = await serveDirect(handler);
    const client = open(options);
    const stream = client.streamBatches();
    let written = 0;
    const writing = (async () => {
      for (; written < 200; written += 1) await stream.write(randomBytes(10_000 + written));
      stream.end();
    })();
    const atOnce = await atRest(
      () => written,
      () => client.pushBatch(new Uint8Array()),
    );
    expect(atOnce).toBeLessThan(100);
    expect(events).toEqual(["message 10000"]);
    mayGoOn = true;
    calls[0]?.resume();
    await writing;
    await ended;
    expect(events).toEqual([...Array.from({ length: 200 }, (_, i) => `message ${10_000 + i}`), "end"]);
    calls[0]?.end();
    expect(await collect(stream.responses)).toEqual([]);
  });

  it("tells of its end behind the last message, though that was not taken yet", async () => {
    const { handler, events, calls, ended } = recorded(() => false);
    const { open } = await serveDirect(handler);
    const client = open(options);
    const stream = client.streamBatches();
    await stream.write(new Uint8Array(1));
    await stream.write(new Uint8Array(2));
    stream.end();
    await atRest(
      () => events.length,
      () => client.pushBatch(new Uint8Array()),
    );
    expect(events).toEqual(["message 1"]);
    calls[0]?.resume();
    await atRest(
      () => events.length,
      () => client.pushBatch(new Uint8Array()),
    );
    expect(events).toEqual(["message 1", "message 2"]);
    calls[0]?.resume();
    await ended;
    expect(events).toEqual(["message 1", "message 2", "end"]);
  });

  it("says that answers are sent only when its client reads them", async () => {
    let sent = 0;
    const answer = drain("x".repeat(60_000));
    const { handler } = recorded((_, call) => {
      const next = () => {
        sent += 1;
        if (sent <= 200) call.send([answer], next);
      };
      next();
      return true;
    });
    const { open } = await serveDirect(handler);
    const client = open(options);
    const stream = client.streamBatches();
    await stream.write(new Uint8Array(1));
    // A client of grpc-js takes all that comes until it is read for the first time.
    const responses = stream.responses[Symbol.asyncIterator]();
    await responses.next();
    const atOnce = await atRest(
      () => sent,
      () => client.pushBatch(new Uint8Array()),
    );
    expect(atOnce).toBeLessThan(100);
    for (let i = 1; i < 200; i += 1) expect((await responses.next()).done).toBe(false);
    expect(sent).toBeGreaterThanOrEqual(200);
    await responses.return?.();
  });

  it("ends with the status of an error, whether its handler throws or says so", async () => {
    const failed = new TelemetryError("FAILED_PRECONDITION", "SUPERSEDED", "what is over; 100 % sure: é");
    const throwing: DirectHandler = () => {
      throw failed;
    };
    const ending = recorded((_, call) => {
      call.send([drain("before")], () => {});
      call.end(failed);
      return true;
    });
    for (const handler of [throwing, ending.handler]) {
      const { open } = await serveDirect(handler);
      const stream = open(options).streamBatches();
      void stream.write(new Uint8Array(1)).catch(() => {});
      const answers: unknown[] = [];
      const failure = failureOf(
        (async () => {
          for await (const answer of stream.responses) answers.push(answer.message.value);
        })(),
      );
      expect(await failure).toMatchObject({
        status: "FAILED_PRECONDITION",
        reason: "SUPERSEDED",
        message: failed.message,
      });
      expect(answers).toMatchObject(handler === throwing ? [] : [{ detail: "before" }]);
    }
    await ending.over;
  });

  it("is over when its client cancels, and when its connection is lost", async () => {
    for (const isCut of [false, true]) {
      const { handler, events, over } = recorded((_, call) => {
        call.send([drain("there")], () => {});
        return true;
      });
      const { address, open } = await serveDirect(handler);
      const proxy = await startProxy(address);
      const stream = open(options, proxy.address).streamBatches();
      await stream.write(new Uint8Array(1));
      const responses = stream.responses[Symbol.asyncIterator]();
      await responses.next();
      if (isCut) {
        const failure = failureOf(responses.next());
        proxy.cut();
        await failure;
      } else await responses.return?.();
      await over;
      // Node's clients close their side before they cancel.
      expect(events.filter((event) => event !== "end")).toEqual(["message 1", "over"]);
    }
  });

  it("is over when the server is closed, after its grace", async () => {
    const { handler, over } = recorded((_, call) => {
      call.send([drain("there")], () => {});
      return true;
    });
    const { rpc, open } = await serveDirect(handler);
    const stream = open(options).streamBatches();
    await stream.write(new Uint8Array(1));
    const responses = stream.responses[Symbol.asyncIterator]();
    await responses.next();
    const failure = failureOf(responses.next());
    await rpc.close(0);
    await over;
    expect(await failure).toMatchObject({ status: expect.stringMatching(/^(UNAVAILABLE|CANCELLED)$/) });
  });
});

describe("a direct call", () => {
  it("stays with grpc-js when it has a deadline", async () => {
    const { handler, calls } = recorded((_, call) => {
      call.end();
      return true;
    });
    const { open } = await serveDirect(handler);
    const stream = open().streamBatches({ timeoutMs: 60_000 });
    await stream.write(new Uint8Array(1));
    expect(await collect(stream.responses)).toEqual([]);
    expect(calls.map((call) => call instanceof Http2Call)).toEqual([false]);
  });

  it("ends with RESOURCE_EXHAUSTED at a message over the hard limit, and others go on", async () => {
    const { open } = await serveDirect();
    const client = open();
    const other = client.streamBatches();
    const responses = other.responses[Symbol.asyncIterator]();
    const stream = client.streamBatches();
    void stream.write(new Uint8Array(messageBytesHardMax + 1)).catch(() => {});
    expect(await failureOf(stream.responses)).toMatchObject({
      status: "RESOURCE_EXHAUSTED",
      reason: "MESSAGE_TOO_LARGE",
    });
    await other.write(drain("alive"));
    expect((await responses.next()).value?.message.value).toMatchObject({ detail: "alive" });
  });

  it("ends when a message says that it is compressed and its call does not", async () => {
    const { address } = await serveDirect();
    const stream = await raw(address);
    const trailers = once(stream, "trailers");
    const bytes = joinMessages([Uint8Array.of(1)]);
    bytes[0] = 1;
    stream.end(bytes);
    stream.resume();
    expect((await trailers)[0]).toMatchObject({ "grpc-status": "13" });
  });

  it("is answered and then fails when its client closes its side inside a message", async () => {
    const { handler, events, calls, ended } = recorded((_, call) => {
      call.send([drain("taken")], () => {});
      return true;
    });
    const { address } = await serveDirect(handler);
    const stream = await raw(address);
    const trailers = once(stream, "trailers");
    const bytes = joinMessages([new Uint8Array(3), new Uint8Array(10)]);
    stream.end(bytes.subarray(0, bytes.length - 1));
    const answers: Buffer[] = [];
    stream.on("data", (piece: Buffer) => answers.push(piece));
    await ended;
    expect(events).toEqual(["message 3", "end"]);
    calls[0]?.end();
    expect((await trailers)[0]).toMatchObject({ "grpc-status": "13" });
    expect(Buffer.concat(answers)).toEqual(joinMessages([drain("taken")]));
  });

  it("is over when its client resets it without an error, though it has not read its answers", async () => {
    const { handler, over } = recorded((_, call) => {
      call.send([new Uint8Array(1_000_000)], () => {});
      return false;
    });
    const { address } = await serveDirect(handler);
    const stream = await raw(address);
    stream.write(joinMessages([new Uint8Array(3), new Uint8Array(70_000)]));
    await once(stream, "response");
    stream.close(constants.NGHTTP2_NO_ERROR);
    await over;
  });

  it("stays with grpc-js when it is no call of gRPC", async () => {
    const { address } = await serveDirect();
    const stream = await raw(address, { "content-type": "text/plain" });
    const [headers] = await once(stream, "response");
    expect(headers).toMatchObject({ ":status": 415 });
    stream.close();
  });
});
