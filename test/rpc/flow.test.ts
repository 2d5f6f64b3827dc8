import { Writable } from "node:stream";
import { describe, expect, it } from "vitest";
import { outgoing } from "../../lib/rpc/flow.ts";
import { IngestService } from "../../proto/gen/telemetry/v1/ingest_service_pb.js";
import { QueryService } from "../../proto/gen/telemetry/v1/query_service_pb.js";
import { atRest, collect, serve } from "../support/rpc.ts";

/** 16 KiB: a few fill the 64 KiB window of a stream. */
const message = new Uint8Array(16 * 1024);
const messages = 1_000;
/** The window (4), and what both sides hold as objects (16 each). */
const heldMax = 64;

const ping = async () => new Uint8Array(0);

/** Writes all messages as fast as there is room. */
function writeAll(call: { write(message: Uint8Array): Promise<void> }) {
  const progress = { written: 0, done: Promise.resolve() };
  const write = async () => {
    for (; progress.written < messages; progress.written += 1) await call.write(message);
  };
  progress.done = write();
  return progress;
}

describe("a server that does not read", () => {
  it("stops the writer of a client-streaming call, and lets it go on when it reads", async () => {
    const { promise: mayRead, resolve: read } = Promise.withResolvers<void>();
    const { client } = await serve(IngestService, "bytes", {
      pushBatch: ping,
      async uploadBatches(requests) {
        await mayRead;
        expect(await collect(requests)).toHaveLength(messages);
        return new Uint8Array(0);
      },
    });
    const upload = client.uploadBatches();
    const progress = writeAll(upload);
    const held = await atRest(
      () => progress.written,
      () => client.pushBatch(message),
    );
    expect(held).toBeGreaterThan(0);
    expect(held).toBeLessThan(heldMax);
    read();
    await progress.done;
    await upload.finish();
  });

  it("stops the writer of a bidi call, and lets it go on when it reads", async () => {
    const { promise: mayRead, resolve: read } = Promise.withResolvers<void>();
    let received = 0;
    const { client } = await serve(IngestService, "bytes", {
      pushBatch: ping,
      async *streamBatches(requests) {
        for await (const _ of requests) {
          received += 1;
          yield new Uint8Array(0);
          await mayRead;
        }
      },
    });
    const stream = client.streamBatches();
    const answers = collect(stream.responses);
    const progress = writeAll(stream);
    const held = await atRest(
      () => progress.written,
      () => client.pushBatch(message),
    );
    expect(received).toBe(1);
    expect(held).toBeGreaterThan(1);
    expect(held).toBeLessThan(heldMax);
    read();
    await progress.done;
    stream.end();
    expect(await answers).toHaveLength(messages);
    expect(received).toBe(messages);
  });
});

describe("a client that does not read", () => {
  it("stops the generator of a server-streaming call, and lets it go on when it reads", async () => {
    let made = 0;
    const { client } = await serve(QueryService, "messages", {
      listDevices: async () => ({}),
      async *queryRange() {
        const counts = Array.from({ length: message.length / 8 }, () => 1);
        for (; made < messages; made += 1) yield { frame: { counts } };
      },
    });
    const responses = client.queryRange({})[Symbol.asyncIterator]();
    await responses.next();
    const held = await atRest(
      () => made,
      () => client.listDevices({}),
    );
    expect(held).toBeGreaterThan(0);
    expect(held).toBeLessThan(heldMax);
    expect(await collect({ [Symbol.asyncIterator]: () => responses })).toHaveLength(messages - 1);
    expect(made).toBe(messages);
  });

  it("does not hold up another call on the same connection", async () => {
    const { client } = await serve(QueryService, "messages", {
      async *queryRange({ pointsMax }) {
        const counts = Array.from({ length: message.length / 8 }, () => 1);
        for (let i = 0; i < pointsMax; i += 1) yield { frame: { counts } };
      },
    });
    const unread = client.queryRange({ pointsMax: messages })[Symbol.asyncIterator]();
    await unread.next();
    expect(await collect(client.queryRange({ pointsMax: 20 }))).toHaveLength(20);
    await unread.return?.();
  });
});

describe("waiting for room", () => {
  it("leaves nothing behind on the call, however often it waits", async () => {
    const call = new Writable({
      objectMode: true,
      highWaterMark: 1,
      write: (_message, _encoding, done) => setImmediate(done),
    });
    const { signal } = new AbortController();
    const before = call.eventNames().map((name) => [name, call.listenerCount(name)]);
    for (let i = 0; i < 5; i += 1) await outgoing(call, {}, signal);
    const after = call.eventNames().map((name) => [name, call.listenerCount(name)]);
    expect(after).toEqual(before);
  });
});
