import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { TidemarkServer } from "../../../cli/server.ts";
import { defaultTiers } from "../../../lib/aggregate/tiers.ts";
import { silentLog } from "../../../lib/base/log.ts";

/** A whole server that keeps its address and its data when it is stopped and started again. */
export class StableServer {
  readonly #dataDir: string;
  #server: TidemarkServer | undefined;
  address = "127.0.0.1:0";

  static async start(): Promise<StableServer> {
    const server = new StableServer(await mkdtemp(join(tmpdir(), "tidemark-uplink-")));
    onTestFinished(() => server.#remove());
    await server.start();
    return server;
  }

  private constructor(dataDir: string) {
    this.#dataDir = dataDir;
  }

  async start(): Promise<void> {
    const options = { dataDir: this.#dataDir, grpc: this.address, tiers: defaultTiers, log: silentLog };
    this.#server = await TidemarkServer.start(options);
    this.address = this.#server.address;
  }

  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    await server?.stop();
  }

  async #remove(): Promise<void> {
    await this.stop();
    await rm(this.#dataDir, { recursive: true, force: true });
  }
}
