import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, onTestFinished } from "vitest";
import { type ServerOptions, TidemarkServer } from "../../cli/server.ts";
import { defaultQuotas, type IngestQuotas } from "../../ingest/quotas.ts";
import { defaultTiers } from "../../lib/aggregate/tiers.ts";
import { silentLog } from "../../lib/base/log.ts";
import { Channel, type Client } from "../../lib/rpc/client.ts";
import { DeviceService } from "../../proto/gen/telemetry/v1/device_service_pb.js";
import { IngestService } from "../../proto/gen/telemetry/v1/ingest_service_pb.js";
import { QueryService } from "../../proto/gen/telemetry/v1/query_service_pb.js";

/** What a test's server has of its own. */
export type ServerTimes = Pick<ServerOptions, "latenessMs" | "keepRaw" | "http" | "access" | "durability"> &
  Partial<Pick<ServerOptions, "tiers">>;

/** A whole server on a free port and a data directory of its own, with a channel to it. */
export class TestServer {
  readonly dataDir: string;
  readonly #times: ServerTimes;
  #running: { server: TidemarkServer; channel: Channel } | undefined;

  static async start(quotas: Partial<IngestQuotas> = {}, times: ServerTimes = {}): Promise<TestServer> {
    const server = new TestServer(await mkdtemp(join(tmpdir(), "tidemark-test-")), times);
    await server.restart(quotas);
    return server;
  }

  private constructor(dataDir: string, times: ServerTimes) {
    this.dataDir = dataDir;
    this.#times = times;
  }

  /** Starts again on the same directory; clients and address are new. */
  async restart(quotas: Partial<IngestQuotas> = {}): Promise<void> {
    await this.stop();
    const server = await TidemarkServer.start({
      dataDir: this.dataDir,
      grpc: "127.0.0.1:0",
      tiers: defaultTiers,
      log: silentLog,
      quotas: { ...defaultQuotas, ...quotas },
      ...this.#times,
    });
    this.#running = { server, channel: new Channel(server.address, { retries: false }) };
  }

  async stop(): Promise<void> {
    const running = this.#running;
    this.#running = undefined;
    await running?.server.stop();
    running?.channel.close();
  }

  async remove(): Promise<void> {
    await this.stop();
    await rm(this.dataDir, { recursive: true, force: true });
  }

  get address(): string {
    return this.#started.server.address;
  }

  /** Of its HTTP port. */
  get httpAddress(): string {
    return this.#started.server.httpAddress ?? "";
  }

  get channel(): Channel {
    return this.#started.channel;
  }

  get ingest(): Client<typeof IngestService, "messages"> {
    return this.channel.client(IngestService, "messages");
  }

  /** Requests as bytes, whatever they are. */
  get ingestBytes(): Client<typeof IngestService, "bytes"> {
    return this.channel.client(IngestService, "bytes");
  }

  get devices(): Client<typeof DeviceService, "messages"> {
    return this.channel.client(DeviceService, "messages");
  }

  get query(): Client<typeof QueryService, "messages"> {
    return this.channel.client(QueryService, "messages");
  }

  get #started() {
    if (this.#running === undefined) throw new Error("the server does not run");
    return this.#running;
  }
}

/** A server for one test. */
export async function startServer(quotas: Partial<IngestQuotas> = {}, times: ServerTimes = {}): Promise<TestServer> {
  const server = await TestServer.start(quotas, times);
  onTestFinished(() => server.remove());
  return server;
}

/** One server for all tests of a file: each uses devices of its own. */
export function serverOfFile(quotas: Partial<IngestQuotas> = {}, times: ServerTimes = {}): () => TestServer {
  let server: TestServer | undefined;
  beforeAll(async () => {
    server = await TestServer.start(quotas, times);
  });
  afterAll(() => server?.remove());
  return () => {
    if (server === undefined) throw new Error("the server starts before the first test");
    return server;
  };
}
