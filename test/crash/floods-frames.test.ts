import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { headerListBytesMax } from "../../lib/base/limits.ts";
import { Flooded } from "../support/flooded.ts";
import {
  callHeaders,
  flag,
  frame,
  frameBytesMax,
  frameType,
  headerBlock,
  preface,
  RawHttp2,
  settings,
  uint32,
} from "../support/raw-http2.ts";

/** Floods of frames, each on a connection of its own; the server is left as it was. */

let flooded: Flooded;
beforeAll(async () => {
  flooded = await Flooded.start();
});
afterAll(() => flooded.stop());

const [internalError, enhanceYourCalm] = [2, 11];
const stream = "/telemetry.v1.IngestService/StreamBatches";
const push = "/telemetry.v1.IngestService/PushBatch";
const ping = frame(frameType.ping, 0, 0, new Uint8Array(8));
const openCall = (path: string) => frame(frameType.headers, flag.endHeaders, 1, callHeaders(path));

/** A flood that the server ends itself. */
async function cutOff(times: number, begin: Uint8Array, make: (i: number) => Uint8Array): Promise<RawHttp2> {
  const connection = await RawHttp2.connect(flooded.address);
  await connection.write(begin);
  await connection.flood(times, make);
  await connection.closed;
  return connection;
}

/** A flood that costs the server no more than its bytes: the connection goes on, until it ends. */
async function borne(times: number, begin: Uint8Array, make: (i: number) => Uint8Array): Promise<void> {
  const connection = await RawHttp2.connect(flooded.address);
  const answered = Promise.withResolvers<void>();
  await connection.write(begin);
  expect(await connection.flood(times, make)).toBe(times);
  const last = Buffer.from("all read");
  connection.onFrame = ({ type, payload }) => {
    if (type === frameType.ping && payload.equals(last)) answered.resolve();
  };
  await connection.write(frame(frameType.ping, 0, 0, last));
  await Promise.race([answered.promise, connection.closed.then(() => answered.reject(new Error("it was cut")))]);
  connection.end();
}

describe("a flood of", () => {
  it.each([
    ["streams that go past grpc-js", stream],
    ["calls of grpc-js", push],
  ])("100,000 resets of %s is cut off", async (name, path) => {
    const headers = callHeaders(path);
    await flooded.attack(`rapid reset: ${name}`, async () => {
      const { goaway } = await cutOff(100_000, Buffer.alloc(0), (i) =>
        Buffer.concat([
          frame(frameType.headers, flag.endHeaders, 2 * i + 1, headers),
          frame(frameType.reset, 0, 2 * i + 1, uint32(8)),
        ]),
      );
      // What was sent behind it was not read: the connection may be reset before the GOAWAY is.
      expect([internalError, undefined]).toContain(goaway);
    });
  });

  it("CONTINUATION frames without an end is cut off", async () => {
    await flooded.attack("CONTINUATION", async () => {
      const block = headerBlock([["x", "y".repeat(1_000)]]);
      await cutOff(20_000, frame(frameType.headers, 0, 1, callHeaders(stream)), () =>
        frame(frameType.continuation, 0, 1, block),
      );
    });
  });

  it.each([
    ["too many bytes", Array.from({ length: 20 }, (_, i) => [`x-${i}`, "y".repeat(1_000)] as const)],
    ["too many headers", Array.from({ length: 100 }, (_, i) => [`x-${i}`, "y"] as const)],
  ])("calls with %s in their headers is refused, call by call", async (name, more) => {
    const block = callHeaders(stream, Object.fromEntries(more));
    const refused = new Map<number, number>();
    await flooded.attack(name, async () => {
      const connection = await RawHttp2.connect(flooded.address);
      // Its bounds hold when the client has heard of them.
      const told = Promise.withResolvers<void>();
      connection.onFrame = ({ type, stream: of, payload }) => {
        if (type === frameType.settings) told.resolve();
        if (type === frameType.reset) refused.set(of, payload.readUInt32BE());
      };
      await told.promise;
      for (let id = 1; id < 400; id += 2) {
        const first = block.subarray(0, frameBytesMax);
        const isWhole = block.length <= frameBytesMax;
        await connection.write(frame(frameType.headers, isWhole ? flag.endHeaders : 0, id, first));
        if (!isWhole)
          await connection.write(frame(frameType.continuation, flag.endHeaders, id, block.subarray(frameBytesMax)));
      }
      const isOver = () => refused.size === 200 || !connection.isOpen;
      while (!isOver()) await new Promise(setImmediate);
      connection.end();
    });
    expect(block.length > headerListBytesMax || more.length > 64).toBe(true);
    expect(new Set(refused.values())).toEqual(new Set([enhanceYourCalm]));
  });

  it.each([
    ["pings", ping],
    ["settings", settings([4, 65_535])],
  ])("%s is cut off, whether the answers are read or not", async (name, one) => {
    await flooded.attack(`${name}, read`, () => cutOff(500_000, Buffer.alloc(0), () => one));
    await flooded.attack(`${name}, not read`, async () => {
      const connection = await RawHttp2.connect(flooded.address);
      connection.socket.pause();
      await Promise.race([connection.flood(1_000_000, () => one), connection.closed]);
      expect(connection.socket.writable).toBe(false);
      connection.end();
    });
  });

  it("settings in one frame is cut off", async () => {
    await flooded.attack("many settings in one frame", async () => {
      const many = settings(...Array.from({ length: 2_000 }, (_, i) => [0x1000 + i, i] as const));
      await cutOff(10, Buffer.alloc(0), () => many);
    });
  });

  it.each([
    ["streams that go past grpc-js", stream],
    ["calls of grpc-js", push],
  ])("empty DATA frames on %s is cut off", async (name, path) => {
    await flooded.attack(`empty DATA: ${name}`, async () => {
      await cutOff(100_000, openCall(path), () => frame(frameType.data, 0, 1));
    });
  });

  it("WINDOW_UPDATE frames costs no more than their bytes", async () => {
    const one = frame(frameType.windowUpdate, 0, 1, uint32(1));
    const smallWindow = Buffer.concat([settings([4, 65_535]), openCall(stream)]);
    await flooded.attack("WINDOW_UPDATE", () => borne(50_000, smallWindow, () => one));
  });

  it("PRIORITY frames is cut off", async () => {
    const first = Buffer.concat([uint32(0), Buffer.of(1)]);
    await flooded.attack("PRIORITY", async () => {
      await cutOff(500_000, Buffer.alloc(0), (i) => frame(frameType.priority, 0, 2 * i + 1, first));
    });
  });
});

describe("what is no HTTP/2", () => {
  const begin = Buffer.concat([preface, settings()]);
  it.each([
    ["garbage behind the preface", Buffer.concat([begin, randomBytes(1 << 16).fill(0xfe, 0, 9)])],
    [
      "a frame that is too long",
      Buffer.concat([begin, frame(frameType.ping, 0, 0, new Uint8Array(frameBytesMax + 1))]),
    ],
    ["DATA of no stream", Buffer.concat([begin, frame(frameType.data, 0, 0, new Uint8Array(8))])],
    ["a request of HTTP/1.1", Buffer.from("GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")],
    ["TLS", Buffer.concat([Buffer.from("16030100c8010000c40303", "hex"), randomBytes(200)])],
    ["settings of a wrong length", Buffer.concat([preface, frame(frameType.settings, 0, 0, new Uint8Array(5))])],
  ])("is cut off: %s", async (name, bytes) => {
    await flooded.attack(name, async () => {
      const connections = await Promise.all(Array.from({ length: 20 }, () => RawHttp2.connect(flooded.address, bytes)));
      await Promise.all(connections.map(({ closed }) => closed));
    });
  });
});
