import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import * as http from "node:http";
import * as http2 from "node:http2";
import * as https from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { durationFromMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { afterAll, beforeAll, onTestFinished } from "vitest";
import type { Encoding } from "../../bench/cell.ts";
import { BenchServer } from "../../bench/server/bench-server.ts";
import type { BenchServerOptions, BenchServerReady } from "../../bench/server/messages.ts";
import { Channel } from "../../lib/rpc/client.ts";
import { FrameReader } from "../../lib/wire/window-frame.ts";
import {
  NamedRowsSchema,
  PushNamedRequestSchema,
  PushNamedResponseSchema,
} from "../../proto/gen/bench/v1/named_service_pb.js";
import { QueryService } from "../../proto/gen/telemetry/v1/query_service_pb.js";
import { dayMs } from "./batches.ts";

/** A batch as the benchmark's clients have it: M metrics x T times, values metric by metric. */
export interface PlainBatch {
  readonly device: string;
  /** 32 hexadecimal digits. */
  readonly spool: string;
  readonly sequence: number;
  readonly metrics: readonly string[];
  readonly timesMs: readonly number[];
  readonly values: readonly number[];
  /** For protobuf columns. */
  readonly handle: number;
}

/** Far from the handles that doors give by themselves. */
let handles = 1_000_000;

/** A batch of a device of its own, 3 metrics x 4 times, unless told otherwise. */
export function plainBatch(chosen: Partial<PlainBatch> = {}): PlainBatch {
  const metrics = chosen.metrics ?? ["metric-1", "metric-2", "metric-3"];
  const timesMs = chosen.timesMs ?? [0, 1_000, 2_000, 3_000].map((offset) => dayMs + offset);
  handles += 1;
  return {
    device: `bench-${handles}`,
    spool: "0123456789abcdef".repeat(2),
    sequence: 1,
    values: metrics.flatMap((_, m) => timesMs.map((_, t) => m * 100 + t)),
    handle: handles,
    ...chosen,
    metrics,
    timesMs,
  };
}

/** The body of a batch in each encoding. */
export const bodyOf: Readonly<Record<Encoding, (batch: PlainBatch) => Buffer>> = {
  "json-rows": ({ device, spool, sequence, ...columns }) =>
    Buffer.from(JSON.stringify({ device, spool, sequence, samples: rowsOf(columns) })),
  "json-columns": ({ device, spool, sequence, metrics, timesMs, values }) => {
    const offsetsMs = timesMs.map((timeMs) => timeMs - timesMs[0]);
    return Buffer.from(JSON.stringify({ device, spool, sequence, metrics, baseTimeMs: timesMs[0], offsetsMs, values }));
  },
  "protobuf-rows": ({ device, spool, sequence, ...columns }) => {
    const rows = rowsOf(columns).map(({ metric, time, value }) => ({ metric, timeUnixMs: BigInt(time), value }));
    const message = { deviceId: device, spoolId: Buffer.from(spool, "hex"), sequence: BigInt(sequence), rows };
    return Buffer.from(toBinary(NamedRowsSchema, create(NamedRowsSchema, message)));
  },
  "protobuf-columns": ({ device, spool, sequence, metrics, timesMs, values, handle }) => {
    const table = {
      metricHandles: metrics.map((_, i) => i + 1),
      baseTimeUnixMs: BigInt(timesMs[0]),
      timeOffsetsMs: timesMs.map((timeMs) => timeMs - timesMs[0]),
      values: [...values],
    };
    const message = {
      deviceId: device,
      spoolId: Buffer.from(spool, "hex"),
      metrics: [...metrics],
      batch: { deviceHandle: handle, sequence: BigInt(sequence), tables: [table] },
    };
    return Buffer.from(toBinary(PushNamedRequestSchema, create(PushNamedRequestSchema, message)));
  },
};

/** In the order of time. */
function rowsOf({ metrics, timesMs, values }: Pick<PlainBatch, "metrics" | "timesMs" | "values">) {
  return timesMs.flatMap((time, t) =>
    metrics.map((metric, m) => ({ metric, time, value: values[m * timesMs.length + t] })),
  );
}

export interface HttpReply {
  readonly status: number;
  readonly contentType: string;
  readonly body: Buffer;
}

export interface HttpOptions {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export const typeOf = (encoding: Encoding) => ({ "content-type": `application/vnd.tidemark.${encoding}` });

/** What a reply acks. */
export function ackedBy({ contentType, body }: HttpReply): number {
  if (contentType === "application/json") return JSON.parse(String(body)).ackedSequence;
  return Number(fromBinary(PushNamedResponseSchema, body).ackedSequence);
}

/** What a reply complains about. */
export function complaintOf({ body }: HttpReply): { readonly reason: string; readonly message: string } {
  return JSON.parse(String(body)).error;
}

/** Plain clients of a benchmark server. */
export class BenchClient {
  readonly channel: Channel;
  readonly #ready: BenchServerReady;
  readonly #agent: http.Agent;
  #session: http2.ClientHttp2Session | undefined;

  constructor(ready: BenchServerReady, { gzip = false } = {}) {
    this.#ready = ready;
    this.channel = new Channel(ready.grpc, { tls: ready.ca === undefined ? undefined : { ca: ready.ca }, gzip });
    this.#agent = ready.ca === undefined ? new http.Agent({ keepAlive: true }) : new https.Agent({ keepAlive: true });
  }

  async http1(
    body: Buffer,
    { method = "POST", path = "/batches", headers = {} }: HttpOptions = {},
  ): Promise<HttpReply> {
    const { ca, http1 } = this.#ready;
    const options = { method, headers, agent: this.#agent };
    const request =
      ca === undefined
        ? http.request(`http://${http1}${path}`, options)
        : https.request(`https://${http1}${path}`, { ...options, ca, servername: "localhost" });
    request.end(body);
    const [response] = (await once(request, "response")) as [http.IncomingMessage];
    return {
      status: response.statusCode ?? 0,
      contentType: response.headers["content-type"] ?? "",
      body: Buffer.concat(await response.toArray()),
    };
  }

  async http2(
    body: Buffer,
    { method = "POST", path = "/batches", headers = {} }: HttpOptions = {},
  ): Promise<HttpReply> {
    const { ca, http2: address } = this.#ready;
    this.#session ??=
      ca === undefined
        ? http2.connect(`http://${address}`)
        : http2.connect(`https://${address}`, { ca, servername: "localhost" });
    const stream = this.#session.request({ ":method": method, ":path": path, ...headers }, { endStream: false });
    stream.end(body);
    const [response] = (await once(stream, "response")) as [http2.IncomingHttpHeaders];
    return {
      status: Number(response[":status"]),
      contentType: response["content-type"] ?? "",
      body: Buffer.concat(await stream.toArray()),
    };
  }

  /** Samples counted of each metric of a device, and their sum, in the first day of `dayMs`. */
  async aggregates(deviceId: string): Promise<Record<string, { count: number; sum: number }>> {
    const request = {
      selector: { deviceIds: [deviceId], metricNames: [] },
      from: timestampFromMs(dayMs),
      to: timestampFromMs(dayMs + 86_400_000),
      tier: durationFromMs(10_000),
    };
    const found: Record<string, { count: number; sum: number }> = {};
    const reader = new FrameReader();
    for await (const { frame } of this.channel.client(QueryService, "messages").queryRange(request)) {
      if (frame === undefined) continue;
      for (const { metric, count, sum } of reader.read(frame)) {
        const before = found[metric] ?? { count: 0, sum: 0 };
        found[metric] = { count: before.count + count, sum: before.sum + sum };
      }
    }
    return found;
  }

  close(): void {
    this.channel.close();
    this.#agent.destroy();
    this.#session?.destroy();
  }
}

/** What `aggregates` is to find of batches, each counted once. */
export function expectedOf(...batches: readonly PlainBatch[]): Record<string, { count: number; sum: number }> {
  const expected: Record<string, { count: number; sum: number }> = {};
  for (const { metrics, timesMs, values } of batches) {
    for (const [m, metric] of metrics.entries()) {
      const mine = values.slice(m * timesMs.length, (m + 1) * timesMs.length);
      const before = expected[metric] ?? { count: 0, sum: 0 };
      expected[metric] = {
        count: before.count + mine.length,
        sum: mine.reduce((sum, value) => sum + value, before.sum),
      };
    }
  }
  return expected;
}

export interface RunningBenchServer {
  readonly server: BenchServer;
  readonly client: BenchClient;
  stop(): Promise<void>;
}

/** @param gzip of gRPC */
export async function startBenchServer(
  chosen: Partial<BenchServerOptions> = {},
  gzip = false,
): Promise<RunningBenchServer> {
  const dataDir = await mkdtemp(join(tmpdir(), "tidemark-bench-test-"));
  const server = await BenchServer.start({ dataDir, durability: "process", tls: false, isNull: false, ...chosen });
  const client = new BenchClient(server.ready, { gzip });
  const stop = async () => {
    client.close();
    await server.stop();
    await rm(dataDir, { recursive: true, force: true });
  };
  return { server, client, stop };
}

/** For one test. */
export async function benchServerOfTest(chosen: Partial<BenchServerOptions> = {}): Promise<RunningBenchServer> {
  const running = await startBenchServer(chosen);
  onTestFinished(() => running.stop());
  return running;
}

/** For all tests of a file: each uses devices of its own. */
export function benchServerOfFile(chosen: Partial<BenchServerOptions> = {}, gzip = false): () => RunningBenchServer {
  let running: RunningBenchServer | undefined;
  beforeAll(async () => {
    running = await startBenchServer(chosen, gzip);
  });
  afterAll(() => running?.stop());
  return () => {
    if (running === undefined) throw new Error("the server starts before the first test");
    return running;
  };
}
