import { describe, expect, it } from "vitest";
import { messageBytesHardMax } from "../../lib/base/limits.ts";
import { Channel } from "../../lib/rpc/client.ts";
import type { CallContext } from "../../lib/rpc/handlers.ts";
import { IngestService } from "../../proto/gen/telemetry/v1/ingest_service_pb.js";
import { QueryService } from "../../proto/gen/telemetry/v1/query_service_pb.js";
import { startProxy } from "../support/proxy.ts";
import { aborted, collect, failureOf, serve } from "../support/rpc.ts";

const nothing = new Uint8Array(0);

/** Services whose streams answer once, and then wait for their call to be over. */
async function lasting() {
  const started = Promise.withResolvers<CallContext>();
  const ended = Promise.withResolvers<void>();
  async function* waitForEnd(context: CallContext) {
    started.resolve(context);
    try {
      yield {};
      await aborted(context.signal);
    } finally {
      ended.resolve();
    }
  }
  const query = await serve(QueryService, "messages", {
    listDevices: async () => ({ nextPageToken: "alive" }),
    subscribe: (_, context) => waitForEnd(context),
  });
  const ingest = await serve(IngestService, "messages", {
    async pushBatch(_, context) {
      for await (const _ of waitForEnd(context));
      return {};
    },
    async uploadBatches(requests, context) {
      started.resolve(context);
      for await (const _ of requests);
      return {};
    },
    streamBatches: (_, context) => waitForEnd(context),
  });
  return { query, ingest, started: started.promise, ended: ended.promise };
}

describe("a deadline", () => {
  /** Time for a first connection on a busy machine: a call whose deadline passes before it has one never gets to its handler. */
  const timeoutMs = 3_000;

  it("ends a server-streaming call at both ends", async () => {
    const { query, started, ended } = await lasting();
    const failure = failureOf(query.client.subscribe({}, { timeoutMs }));
    await aborted((await started).signal);
    await ended;
    expect(await failure).toMatchObject({ status: "DEADLINE_EXCEEDED" });
  });

  it("ends a unary call at both ends", async () => {
    const { ingest, started, ended } = await lasting();
    const failure = failureOf(ingest.client.pushBatch({}, { timeoutMs }));
    await aborted((await started).signal);
    await ended;
    expect(await failure).toMatchObject({ status: "DEADLINE_EXCEEDED" });
  });

  it("ends a bidi call and an upload for their clients, who are writing", async () => {
    const { ingest } = await lasting();
    const stream = ingest.client.streamBatches({ timeoutMs: 200 });
    const upload = ingest.client.uploadBatches({ timeoutMs: 200 });
    await upload.write({});
    expect(await failureOf(stream.responses)).toMatchObject({ status: "DEADLINE_EXCEEDED" });
    expect(await failureOf(upload.finish())).toMatchObject({ status: "DEADLINE_EXCEEDED" });
  });
});

describe("a client that cancels", () => {
  it("aborts the handler's signal when it leaves the responses early", async () => {
    const { query, ingest } = { query: await lasting(), ingest: await lasting() };
    for await (const _ of query.query.client.subscribe({})) break;
    await aborted((await query.started).signal);
    await query.ended;
    for await (const _ of ingest.ingest.client.streamBatches().responses) break;
    await aborted((await ingest.started).signal);
    await ingest.ended;
  });

  it("aborts the handler's signal when it leaves before it has read a response", async () => {
    const { query, started } = await lasting();
    const responses = query.client.subscribe({})[Symbol.asyncIterator]();
    const { signal } = await started;
    await responses.return?.();
    for (let i = 0; i < 100 && !signal.aborted; i += 1) await query.client.listDevices({});
    expect(signal.aborted).toBe(true);
  });

  it("ends the call by its signal", async () => {
    const { query, started, ended } = await lasting();
    const controller = new AbortController();
    const failure = failureOf(query.client.subscribe({}, { signal: controller.signal }));
    const { signal } = await started;
    expect(signal.aborted).toBe(false);
    controller.abort();
    expect(await failure).toMatchObject({ status: "CANCELLED" });
    await aborted(signal);
    await ended;
  });

  it("has its call fail at once when its signal is aborted already", async () => {
    const { query } = await lasting();
    const error = await failureOf(query.client.listDevices({}, { signal: AbortSignal.abort() }));
    expect(error).toMatchObject({ status: "CANCELLED" });
  });

  it("leaves other calls of its connection alone", async () => {
    const { query } = await lasting();
    const other = query.client.subscribe({})[Symbol.asyncIterator]();
    await other.next();
    for await (const _ of query.client.subscribe({})) break;
    expect(await query.client.listDevices({})).toMatchObject({ nextPageToken: "alive" });
    await other.return?.();
  });
});

describe("a connection that is lost", () => {
  for (const kind of ["subscription", "upload", "stream"] as const) {
    it(`ends the handler of a ${kind}, and its client`, async () => {
      const { query, ingest, started, ended } = await lasting();
      const proxy = await startProxy(kind === "subscription" ? query.address : ingest.address);
      const channel = new Channel(proxy.address);
      const clients = {
        query: channel.client(QueryService, "messages"),
        ingest: channel.client(IngestService, "messages"),
      };
      let failure: Promise<unknown>;
      if (kind === "subscription") failure = failureOf(clients.query.subscribe({}));
      else if (kind === "stream") failure = failureOf(clients.ingest.streamBatches().responses);
      else {
        const upload = clients.ingest.uploadBatches();
        await upload.write({});
        // Asked only when it is cut: it would close our side.
        failure = started.then(() => failureOf(upload.finish()));
      }
      const { signal } = await started;
      proxy.cut();
      await aborted(signal);
      if (kind !== "upload") await ended;
      expect(await failure).toMatchObject({ status: expect.stringMatching(/^(UNAVAILABLE|CANCELLED)$/) });
      channel.close();
    });
  }
});

describe("a server that is shut down", () => {
  it("waits for calls that end by themselves, and takes no new ones", async () => {
    const { promise: mayEnd, resolve: end } = Promise.withResolvers<void>();
    const { client, rpc, address } = await serve(IngestService, "bytes", {
      async *streamBatches() {
        yield nothing;
        await mayEnd;
        yield nothing;
      },
    });
    const responses = client.streamBatches().responses[Symbol.asyncIterator]();
    await responses.next();
    const closed = rpc.close(60_000);
    const late = new Channel(address);
    expect(await failureOf(late.client(IngestService, "bytes").pushBatch(nothing))).toMatchObject({
      status: "UNAVAILABLE",
    });
    late.close();
    end();
    expect(await responses.next()).toMatchObject({ done: false });
    expect(await responses.next()).toMatchObject({ done: true });
    await closed;
  });

  it("cuts calls that outlast the grace, and their clients do not hang", async () => {
    const { query, started, ended } = await lasting();
    const failure = failureOf(query.client.subscribe({}));
    const { signal } = await started;
    await query.rpc.close(0);
    expect(await failure).toMatchObject({ status: expect.stringMatching(/^(UNAVAILABLE|CANCELLED)$/) });
    await aborted(signal);
    await ended;
  });
});

describe("writing to a call that is over", () => {
  it("rejects on a bidi call", async () => {
    const { client } = await serve(IngestService, "bytes", {
      async *streamBatches() {
        yield nothing;
      },
    });
    const stream = client.streamBatches();
    await collect(stream.responses);
    await expect(stream.write(nothing)).rejects.toMatchObject({ status: "CANCELLED", reason: "CALL_OVER" });
  });

  it("rejects on an upload that was answered early", async () => {
    const { client } = await serve(IngestService, "bytes", { uploadBatches: async () => nothing });
    const upload = client.uploadBatches();
    await upload.finish();
    await expect(upload.write(nothing)).rejects.toMatchObject({ status: "CANCELLED", reason: "CALL_OVER" });
  });

  it("rejects a writer that waits for room when the call ends", async () => {
    const { promise: mayEnd, resolve: end } = Promise.withResolvers<void>();
    const { client } = await serve(IngestService, "bytes", {
      async *streamBatches() {
        yield nothing;
        await mayEnd;
      },
    });
    const stream = client.streamBatches();
    const responses = collect(stream.responses);
    const writing = (async () => {
      for (;;) await stream.write(new Uint8Array(64 * 1024));
    })();
    end();
    await expect(writing).rejects.toMatchObject({ reason: "CALL_OVER" });
    await responses;
  });
});

describe("a message over the hard limit", () => {
  it("ends its call with RESOURCE_EXHAUSTED and leaves the others alone", async () => {
    const { client } = await serve(IngestService, "bytes", {
      pushBatch: async () => nothing,
      uploadBatches: async (requests) => {
        await collect(requests);
        return nothing;
      },
      async *streamBatches(requests) {
        for await (const _ of requests) yield nothing;
      },
    });
    const tooLarge = new Uint8Array(messageBytesHardMax + 1);
    const other = client.streamBatches();
    const otherResponses = other.responses[Symbol.asyncIterator]();
    await other.write(nothing);
    await otherResponses.next();

    expect(await failureOf(client.pushBatch(tooLarge))).toMatchObject({ status: "RESOURCE_EXHAUSTED" });
    const upload = client.uploadBatches();
    void upload.write(tooLarge).catch(() => {});
    expect(await failureOf(upload.finish())).toMatchObject({ status: "RESOURCE_EXHAUSTED" });
    const stream = client.streamBatches();
    void stream.write(tooLarge).catch(() => {});
    expect(await failureOf(stream.responses)).toMatchObject({ status: "RESOURCE_EXHAUSTED" });

    await other.write(new Uint8Array(messageBytesHardMax));
    expect(await otherResponses.next()).toMatchObject({ done: false });
    other.end();
    expect(await otherResponses.next()).toMatchObject({ done: true });
  });
});
