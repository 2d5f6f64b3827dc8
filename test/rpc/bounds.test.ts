import { gzipSync } from "node:zlib";
import { status } from "@grpc/grpc-js";
import { describe, expect, it, onTestFinished } from "vitest";
import { headerListBytesMax, headerPairsMax, messageBytesHardMax } from "../../lib/base/limits.ts";
import { QueryService } from "../../proto/gen/telemetry/v1/query_service_pb.js";
import { RawCalls } from "../support/raw-calls.ts";
import {
  callHeaders,
  call as callOf,
  flag,
  frameBytesMax,
  frameType,
  grpcMessage,
  RawHttp2,
} from "../support/raw-http2.ts";
import { failureOf, serve } from "../support/rpc.ts";

/** What a client may send at most, and what it is told. The floods themselves are in `test/crash/floods-*.test.ts`. */

async function listen() {
  const served = await serve(QueryService, "messages", {
    listDevices: async () => ({ devices: [] }),
    queryRange: async function* () {},
  } as never);
  return { ...served, bytes: served.channel.client(QueryService, "bytes") };
}

const listDevices = "/telemetry.v1.QueryService/ListDevices";

describe("a request that cannot be read", () => {
  it.each([
    ["is cut off", Uint8Array.of(0x0a, 5, 1)],
    ["is not UTF-8", Uint8Array.of(0x12, 1, 0xff)],
    ["ends a group that it has not begun", Uint8Array.of(0x0c)],
    ["goes too deep", Buffer.concat([Buffer.alloc(40, 0x7b), Buffer.alloc(40, 0x7c)])],
  ])("is INVALID_ARGUMENT when it %s", async (_, request) => {
    const { bytes, warnings } = await listen();
    const malformed = { status: "INVALID_ARGUMENT", reason: "MALFORMED_MESSAGE" };
    expect(await failureOf(bytes.listDevices(request))).toMatchObject(malformed);
    expect(await failureOf(bytes.queryRange(request))).toMatchObject(malformed);
    expect(warnings).toEqual([]);
  });
});

describe("a compressed message", () => {
  async function answered(message: Uint8Array, encoding = "gzip") {
    const { address } = await listen();
    const calls = await RawCalls.connect(address);
    onTestFinished(() => calls.connection.end());
    return await calls.run(callHeaders(listDevices, { "grpc-encoding": encoding }), grpcMessage(message, true));
  }

  it("is read", async () => {
    expect(await answered(gzipSync(Buffer.alloc(0)))).toBe(status.OK);
  });

  it("is refused when it comes to too many bytes", async () => {
    expect(await answered(gzipSync(Buffer.alloc(messageBytesHardMax + 1)))).toBe(status.RESOURCE_EXHAUSTED);
    const members = Array<Buffer>(100).fill(gzipSync(Buffer.alloc(1_000_000)));
    expect(await answered(Buffer.concat(members))).toBe(status.RESOURCE_EXHAUSTED);
  });

  it("is INVALID_ARGUMENT when it is none", async () => {
    expect(await answered(Buffer.alloc(10))).toBe(status.INVALID_ARGUMENT);
    expect(await answered(Buffer.alloc(10_000))).toBe(status.INVALID_ARGUMENT);
  });

  it("is UNIMPLEMENTED when it is of another encoding", async () => {
    expect(await answered(Buffer.alloc(10), "br")).toBe(status.UNIMPLEMENTED);
  });
});

describe("the headers of a call", () => {
  /** Whether a call with these is refused, when its client has heard of the bounds. */
  async function reset(more: Record<string, string>): Promise<boolean> {
    const { address } = await listen();
    const connection = await RawHttp2.connect(address);
    onTestFinished(() => connection.end());
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const headers = callHeaders(listDevices, more);
    expect(headers.length).toBeLessThan(frameBytesMax);
    let isSent = false;
    connection.onFrame = ({ type, flags }) => {
      if (type === frameType.settings && (flags & flag.ack) === 0 && !isSent) {
        isSent = true;
        void connection.write(callOf(1, headers, grpcMessage(Buffer.alloc(0))));
      } else if (type === frameType.headers || type === frameType.reset) resolve(type === frameType.reset);
    };
    return await promise;
  }
  const of = (count: number, value: string) =>
    Object.fromEntries(Array.from({ length: count }, (_, i) => [`x-${i}`, value]));

  it("are refused when they are too many", async () => {
    expect(await reset(of(headerPairsMax / 2, "y"))).toBe(false);
    expect(await reset(of(headerPairsMax, "y"))).toBe(true);
  });

  it("are refused when they are too long", async () => {
    // Each counts 32 bytes more than its name and value (RFC 9113, 6.5.2).
    expect(await reset(of(8, "y".repeat(1_000)))).toBe(false);
    expect(await reset(of(15, "y".repeat((headerListBytesMax - 500) / 15)))).toBe(true);
  });
});
