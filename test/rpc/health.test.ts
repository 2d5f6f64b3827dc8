import { once } from "node:events";
import { connect } from "node:http2";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { healthServiceCharsMax } from "../../lib/base/limits.ts";
import { Health, type HealthOptions } from "../../lib/rpc/health.ts";
import { joinMessages, MessageSplitter } from "../../lib/rpc/message-splitter.ts";
import {
  HealthCheckRequestSchema,
  HealthCheckResponseSchema,
  Health as HealthService,
  HealthCheckResponse_ServingStatus as ServingStatus,
} from "../../proto/gen/grpc/health/v1/health_pb.js";
import { collect, failureOf, serve } from "../support/rpc.ts";

const { SERVING, NOT_SERVING, SERVICE_UNKNOWN } = ServingStatus;

/** A server that has `a`, which serves, and `b`, which does not. */
async function serveHealth(options?: HealthOptions) {
  const health = new Health(options);
  health.set("a", true);
  health.set("b", false);
  const { client, channel, address } = await serve(HealthService, "messages", health.handlers());
  const watch = (service: string) => {
    const responses = client.watch({ service })[Symbol.asyncIterator]();
    return {
      /** The next status; undefined: it has ended with OK. */
      async next(): Promise<ServingStatus | undefined> {
        const next = await responses.next();
        return next.done === true ? undefined : next.value.status;
      },
      async stop(): Promise<void> {
        await responses.return?.();
      },
    };
  };
  return { health, client, channel, address, watch };
}

describe("a check", () => {
  it("tells whether a service serves", async () => {
    const { client, health } = await serveHealth();
    expect(await client.check({ service: "a" })).toMatchObject({ status: SERVING });
    expect(await client.check({ service: "b" })).toMatchObject({ status: NOT_SERVING });
    health.set("b", true);
    expect(await client.check({ service: "b" })).toMatchObject({ status: SERVING });
  });

  it("of a service that is not there fails, and names it", async () => {
    const { client } = await serveHealth();
    expect(await failureOf(client.check({ service: "c" }))).toMatchObject({
      status: "NOT_FOUND",
      reason: "SERVICE_NOT_FOUND",
      message: 'service: no service "c"; List tells which there are',
    });
  });

  it("and a watch refuse a name that is too long to be one", async () => {
    const { client } = await serveHealth();
    const service = "x".repeat(healthServiceCharsMax + 1);
    const refused = { status: "INVALID_ARGUMENT", reason: "INVALID_FIELD" };
    expect(await failureOf(client.check({ service }))).toMatchObject(refused);
    expect(await failureOf(client.watch({ service }))).toMatchObject(refused);
  });

  it("of what is no message fails, and the next one is answered", async () => {
    const { client, channel } = await serveHealth();
    const garbage = Uint8Array.of(0xff, 0xff, 0xff);
    const bytes = channel.client(HealthService, "bytes");
    await failureOf(bytes.check(garbage));
    await failureOf(bytes.watch(garbage));
    expect(await client.check({ service: "a" })).toMatchObject({ status: SERVING });
  });
});

it("a list has all services", async () => {
  const { client } = await serveHealth();
  const { statuses } = await client.list({});
  expect(Object.entries(statuses).map(([service, { status }]) => [service, status])).toEqual([
    ["a", SERVING],
    ["b", NOT_SERVING],
  ]);
});

describe("a watch", () => {
  it("sends the status at once, then each change, and nothing where there is none", async () => {
    const { health, watch } = await serveHealth();
    const watched = watch("a");
    expect(await watched.next()).toBe(SERVING);
    health.set("a", true);
    health.set("b", true);
    health.set("a", false);
    expect(await watched.next()).toBe(NOT_SERVING);
    health.set("a", true);
    expect(await watched.next()).toBe(SERVING);
    await watched.stop();
  });

  it("of a service that is not there goes on until it is", async () => {
    const { health, watch } = await serveHealth();
    const watched = watch("c");
    expect(await watched.next()).toBe(SERVICE_UNKNOWN);
    health.set("c", true);
    expect(await watched.next()).toBe(SERVING);
    await watched.stop();
  });

  it("ends with OK behind the last status, when the server ends", async () => {
    const { health, watch } = await serveHealth();
    const [a, c] = [watch("a"), watch("c")];
    expect([await a.next(), await c.next()]).toEqual([SERVING, SERVICE_UNKNOWN]);
    health.set("a", false);
    health.end();
    expect([await a.next(), await a.next(), await c.next()]).toEqual([NOT_SERVING, undefined, undefined]);
  });

  it("keeps the latest status only for a client that does not read", async () => {
    const { health, address } = await serveHealth();
    const session = connect(`http://${address}`, { settings: { initialWindowSize: 0 } });
    onTestFinished(() => session.destroy());
    const call = session.request({
      ":method": "POST",
      ":path": "/grpc.health.v1.Health/Watch",
      "content-type": "application/grpc",
      te: "trailers",
    });
    const request = create(HealthCheckRequestSchema, { service: "a" });
    call.end(joinMessages([toBinary(HealthCheckRequestSchema, request)]));
    await once(call, "response");
    // Each change could be sent before the next one.
    for (let i = 0; i <= 10_000; i += 1) {
      health.set("a", i % 2 === 1);
      await new Promise(setImmediate);
    }
    health.end();
    session.settings({ initialWindowSize: 65_535 });
    const splitter = new MessageSplitter(1_024);
    splitter.add(Buffer.concat((await collect(call)) as Buffer[]));
    const told: ServingStatus[] = [];
    for (let message = splitter.next(); message !== undefined; message = splitter.next()) {
      told.push(fromBinary(HealthCheckResponseSchema, message).status);
    }
    expect(told).toEqual([SERVING, NOT_SERVING]);
  });

  it("is refused while there are too many, and taken when one has ended", async () => {
    const { watch, client } = await serveHealth({ watchesMax: 2 });
    const open = [watch("a"), watch("b")];
    for (const each of open) await each.next();
    expect(await failureOf(client.watch({ service: "a" }))).toMatchObject({
      status: "RESOURCE_EXHAUSTED",
      reason: "TOO_MANY_OPEN_CALLS",
      message: "2 health watches are open, the limit is 2; end those that nobody reads, or try again later",
      quota: "server:health watches",
      retryAfterMs: 1_000,
    });
    expect(await client.check({ service: "a" })).toMatchObject({ status: SERVING });
    await open[0]?.stop();
    // The server learns of it a moment later.
    await vi.waitFor(async () => expect(await watch("a").next()).toBe(SERVING));
  });
});
