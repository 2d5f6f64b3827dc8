import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Flooded } from "../support/flooded.ts";
import { callHeaders, flag, frame, frameType, preface, RawHttp2, settings } from "../support/raw-http2.ts";

/** Connections and calls that begin and do not go on. */

const handshakeMs = 2_000;
let plain: Flooded;
let secure: Flooded;
beforeAll(async () => {
  plain = await Flooded.start("--handshake", String(handshakeMs));
  secure = await Flooded.start("--handshake", String(handshakeMs), "--tls");
});
afterAll(async () => {
  await plain.stop();
  await secure.stop();
});

/** The beginning of a handshake: a record of 512 bytes, of which 100 come. */
const halfHello = Buffer.concat([Buffer.from("1603010200010001fc0303", "hex"), randomBytes(89)]);
const noBytes = Buffer.alloc(0);

/** So many connections that begin with these bytes. */
async function open(flooded: Flooded, count: number, begin: Uint8Array): Promise<RawHttp2[]> {
  const connections: RawHttp2[] = [];
  // The queue of a listening socket is short.
  while (connections.length < count)
    connections.push(
      ...(await Promise.all(Array.from({ length: 100 }, () => RawHttp2.connect(flooded.address, begin)))),
    );
  return connections;
}

const ended = (connections: readonly RawHttp2[]) => Promise.all(connections.map(({ closed }) => closed));

describe("2,000 connections", () => {
  it("that say nothing, half of the preface, or a byte now and then are cut", async () => {
    await plain.attack("1,500 half-open connections", async () => {
      const connections = await open(plain, 1_500, noBytes);
      let at = 0;
      for (const { socket } of connections.slice(500, 1_000)) socket.write(preface.subarray(0, 20));
      const slow = setInterval(() => {
        for (const { socket } of connections.slice(1_000))
          if (socket.writable) socket.write(preface.subarray(at, at + 1));
        at += 1;
      }, handshakeMs / 10);
      await ended(connections);
      clearInterval(slow);
    });
  });

  it("that begin a handshake of TLS and do not end it are cut", async () => {
    await secure.attack("500 half handshakes", async () => ended(await open(secure, 500, halfHello)));
  });

  it("that speak in clear text to TLS are cut", async () => {
    const begin = Buffer.concat([preface, settings()]);
    await secure.attack("100 in clear text", async () => ended(await open(secure, 100, begin)));
  });
});

describe("calls", () => {
  /** Resolves when the server has read all that was sent. */
  async function read(connection: RawHttp2): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    connection.onFrame = ({ type }) => type === frameType.ping && resolve();
    await connection.write(frame(frameType.ping, 0, 0, Buffer.alloc(8)));
    await promise;
  }

  it.each(["PushBatch", "UploadBatches", "StreamBatches"])("1,000 of %s that stop in a message", async (way) => {
    const headers = callHeaders(`/telemetry.v1.IngestService/${way}`);
    await plain.attack(`1,000 slow calls of ${way}`, async () => {
      const connections = await Promise.all(Array.from({ length: 10 }, () => RawHttp2.connect(plain.address)));
      for (const connection of connections) {
        for (let id = 1; id < 200; id += 2) {
          await connection.write(frame(frameType.headers, flag.endHeaders, id, headers));
          await connection.write(frame(frameType.data, 0, id, Buffer.alloc(1)));
        }
      }
      await Promise.all(connections.map(read));
      for (const connection of connections) {
        expect(connection.isOpen).toBe(true);
        connection.end();
      }
    });
  });

  it.each(["Subscribe", "WatchDevices", "ListDevices"])("1,000 of %s whose answers are never read", async (name) => {
    const headers = callHeaders(`/telemetry.v1.QueryService/${name}`);
    // An empty message: everything.
    const everything = Buffer.alloc(5);
    await plain.attack(`1,000 calls of ${name} that are not read`, async () => {
      const begin = Buffer.concat([preface, settings([4, 0])]);
      const connections = await Promise.all(Array.from({ length: 10 }, () => RawHttp2.connect(plain.address, begin)));
      for (const connection of connections) {
        for (let id = 1; id < 200; id += 2) {
          await connection.write(frame(frameType.headers, flag.endHeaders, id, headers));
          await connection.write(frame(frameType.data, flag.endStream, id, everything));
        }
      }
      await Promise.all(connections.map(read));
      for (const connection of connections) connection.end();
    });
  });
});
