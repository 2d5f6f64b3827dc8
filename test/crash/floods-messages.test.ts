import { gzipSync } from "node:zlib";
import type { DescMethod } from "@bufbuild/protobuf";
import { status } from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Prng } from "../../lib/base/prng.ts";
import { methodPath } from "../../lib/rpc/binding.ts";
import { AdminService } from "../../proto/gen/telemetry/v1/admin_service_pb.js";
import { DeviceService } from "../../proto/gen/telemetry/v1/device_service_pb.js";
import { IngestService } from "../../proto/gen/telemetry/v1/ingest_service_pb.js";
import { QueryService } from "../../proto/gen/telemetry/v1/query_service_pb.js";
import { Flooded } from "../support/flooded.ts";
import { MalformedMessages } from "../support/malformed.ts";
import { type Ending, RawCalls } from "../support/raw-calls.ts";
import { callHeaders, grpcMessage } from "../support/raw-http2.ts";

/** Floods of calls whose messages are wrong. */

let flooded: Flooded;
beforeAll(async () => {
  flooded = await Flooded.start();
});
afterAll(() => flooded.stop(), 60_000);

const mib = 1024 * 1024;
const ways = ["PushBatch", "UploadBatches", "StreamBatches"];
const pathOf = (way: string) => `/telemetry.v1.IngestService/${way}`;

describe("compressed messages", () => {
  /** A megabyte that comes to a gigabyte. */
  const bomb = Buffer.concat(Array(1_024).fill(gzipSync(Buffer.alloc(mib))));

  it.each(ways)("of 1 GiB of zeros by %s are refused, 40 at once", async (way) => {
    const endings: Ending[] = [];
    await flooded.attack(`bombs by ${way}`, async () => {
      const calls = await RawCalls.connect(flooded.address);
      const headers = callHeaders(pathOf(way), { "grpc-encoding": "gzip" });
      const bytes = grpcMessage(bomb, true);
      endings.push(...(await Promise.all(Array.from({ length: 40 }, () => calls.run(headers, bytes)))));
      calls.connection.end();
    });
    expect(new Set(endings)).toEqual(new Set([status.RESOURCE_EXHAUSTED]));
  });

  it.each(ways)("that are tiny and many by %s cost no decompressor each", async (way) => {
    await flooded.attack(`tiny by ${way}`, async () => {
      const calls = await RawCalls.connect(flooded.address);
      const headers = callHeaders(pathOf(way), { "grpc-encoding": "gzip" });
      const tiny = grpcMessage(gzipSync(Buffer.alloc(0)), true);
      const bytes = Buffer.concat(Array(600).fill(tiny));
      await Promise.all(Array.from({ length: 200 }, () => calls.run(headers, bytes)));
      calls.connection.end();
    });
  });

  it.each(ways)("that are not compressed by %s are INVALID_ARGUMENT", async (way) => {
    const calls = await RawCalls.connect(flooded.address);
    const headers = callHeaders(pathOf(way), { "grpc-encoding": "gzip" });
    for (const length of [100, 5_000])
      expect(await calls.run(headers, grpcMessage(Buffer.alloc(length), true))).toBe(status.INVALID_ARGUMENT);
    calls.connection.end();
  });
});

describe("100,000 malformed messages to all methods", () => {
  const messages = 100_000;
  const [connections, atOnce] = [4, 64];
  /** Of 1,000 calls. Backups copy the database. */
  const shares: Record<string, number> = {
    PushBatch: 300,
    UploadBatches: 150,
    StreamBatches: 200,
    Subscribe: 10,
    WatchDevices: 10,
    BackUp: 1,
  };
  const methods = [IngestService, QueryService, DeviceService, AdminService].flatMap((service) => service.methods);
  const drawn = methods.flatMap((method) => Array<DescMethod>(shares[method.name] ?? 36).fill(method));
  /** They go on for as long as nobody ends them. */
  const endless = ["Subscribe", "WatchDevices"];
  const clean = new Set<Ending>([
    status.OK,
    status.INVALID_ARGUMENT,
    status.NOT_FOUND,
    status.ALREADY_EXISTS,
    status.FAILED_PRECONDITION,
    status.RESOURCE_EXHAUSTED,
  ]);

  it("are answered with what is wrong, never with INTERNAL", { timeout: 120_000 }, async () => {
    const headers = new Map(
      methods.map((method) => {
        const timeout = endless.includes(method.name) ? { "grpc-timeout": "50m" } : {};
        return [method, callHeaders(methodPath(method), timeout)];
      }),
    );
    const counts = new Map<string, number>();
    const strange: string[] = [];
    const send = async (connection: number) => {
      const prng = new Prng(Number(process.env["TEST_SEED"] ?? 1), `malformed ${connection}`);
      const malformed = new MalformedMessages(prng);
      const calls = await RawCalls.connect(flooded.address);
      const one = async () => {
        const method = drawn[prng.below(drawn.length)];
        const bytes = malformed.next(method.input);
        const ending = await calls.run(headers.get(method) as Buffer, grpcMessage(bytes));
        const name = `${typeof ending === "number" ? status[ending] : ending}`;
        counts.set(name, (counts.get(name) ?? 0) + 1);
        const isClean = clean.has(ending) || (ending === status.DEADLINE_EXCEEDED && endless.includes(method.name));
        if (!isClean && strange.length < 10)
          strange.push(`${name} of ${method.name}: ${bytes.toString("hex", 0, 200)}`);
      };
      let left = messages / connections;
      const lane = async () => {
        while (left-- > 0) await one();
      };
      await Promise.all(Array.from({ length: atOnce }, lane));
      calls.connection.end();
    };
    await flooded.attack("malformed", () => Promise.all(Array.from({ length: connections }, (_, i) => send(i))));
    // biome-ignore lint/suspicious/noConsole: the figures are what was measured
    console.info(Object.fromEntries(counts));
    expect(strange).toEqual([]);
  });
});
