import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect } from "vitest";
import { Channel } from "../../lib/rpc/client.ts";
import { IngestService } from "../../proto/gen/telemetry/v1/ingest_service_pb.js";
import { QueryService } from "../../proto/gen/telemetry/v1/query_service_pb.js";
import { Cli, temporaryDirectory, until } from "../system/support/cli.ts";
import { batch, registration } from "./batches.ts";
import { range } from "./query.ts";

const serverFile = fileURLToPath(new URL("flood-server.ts", import.meta.url));
const mib = 1024 * 1024;

/** Of the I/O thread, in all: Node and the product take some 30 MiB when they begin. */
const keptBytesMax = 100 * mib;

/** What a good client waits at most while a flood comes in: two slow cores have both to do. */
const servedMsMax = 10_000;

interface Ready {
  readonly address: string;
  readonly pid: number;
  readonly ca?: string;
}

/** A server in a process of its own that is attacked, and a good client that must be served all the time. */
export class Flooded {
  readonly address: string;
  readonly channel: Channel;
  readonly #cli: Cli;
  readonly #pid: number;
  readonly #socketsBefore: number;
  readonly #deviceId = "good";
  #sequence = 0;
  #slowestMs = 0;
  #isAttacked = false;
  #good: Promise<void> = Promise.resolve();

  static async start(...flags: string[]): Promise<Flooded> {
    const directory = await temporaryDirectory();
    const cli = new Cli(["--data", directory, ...flags], {
      command: [process.execPath, "--expose-gc", serverFile],
      cwd: directory,
    });
    const ready = JSON.parse(await cli.line(/"address"/)) as Ready;
    const channel = new Channel(ready.address, { tls: ready.ca === undefined ? undefined : { ca: ready.ca } });
    const flooded = new Flooded(cli, ready, channel);
    return flooded;
  }

  private constructor(cli: Cli, { address, pid }: Ready, channel: Channel) {
    this.#cli = cli;
    this.#pid = pid;
    this.address = address;
    this.channel = channel;
    this.#socketsBefore = this.sockets();
  }

  rssBytes(name = "VmRSS"): number {
    const status = readFileSync(`/proc/${this.#pid}/status`, "utf8");
    return Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1]) * 1024;
  }

  /** Of all kinds; those of its inside do not change. */
  sockets(): number {
    const directory = `/proc/${this.#pid}/fd`;
    return readdirSync(directory).filter((name) => {
      try {
        return readlinkSync(`${directory}/${name}`).startsWith("socket:");
      } catch {
        return false;
      }
    }).length;
  }

  /**
   * Attacks while a good client pushes and queries, then looks at what is left.
   * @param peakMiB what the process may grow by meanwhile
   */
  async attack(name: string, run: () => Promise<unknown>, peakMiB = 256): Promise<void> {
    await this.#serve();
    const [rss, served] = [this.rssBytes(), this.#sequence];
    const startMs = performance.now();
    let peak = rss;
    const looking = setInterval(() => {
      peak = Math.max(peak, this.rssBytes());
    }, 20);
    this.#isAttacked = true;
    this.#slowestMs = 0;
    this.#good = this.#serveOn();
    try {
      await run();
    } finally {
      this.#isAttacked = false;
      await this.#good;
      clearInterval(looking);
    }
    await this.#serve();
    // biome-ignore lint/suspicious/noConsole: the figures are what was measured
    console.info(name, {
      ms: Math.round(performance.now() - startMs),
      servedMeanwhile: this.#sequence - served,
      slowestMs: Math.round(this.#slowestMs),
      grownMiB: Math.round((peak - rss) / mib),
      rssMiB: Math.round(this.rssBytes() / mib),
    });
    expect(this.#slowestMs).toBeLessThan(servedMsMax);
    expect(peak - rss).toBeLessThan(peakMiB * mib);
    // The good client's.
    await until(() => this.sockets() <= this.#socketsBefore + 1);
  }

  /** Nothing is left over: memory, calls, complaints; each sample of the good client has counted once. */
  async stop(): Promise<void> {
    const { samplesCounted } = (await this.#push(false)).registered ?? {};
    expect(Number(samplesCounted)).toBe(this.#sequence);
    expect(await this.#counted()).toBe(this.#sequence);
    this.#cli.signal("SIGUSR2");
    const { keptBytes } = JSON.parse(await this.#cli.line(/"keptBytes"/)) as { keptBytes: number };
    expect(keptBytes).toBeLessThan(keptBytesMax);
    this.channel.close();
    this.#cli.signal("SIGTERM");
    const { code, stderr } = await this.#cli.ended;
    expect(stderr).not.toMatch(/bug|Warning|Error/);
    expect(code).toBe(0);
  }

  async #serveOn(): Promise<void> {
    while (this.#isAttacked) await this.#serve();
  }

  async #serve(): Promise<void> {
    const startMs = performance.now();
    await this.#push(true);
    if (this.#sequence % 20 === 1) expect(await this.#counted()).toBe(this.#sequence);
    this.#slowestMs = Math.max(this.#slowestMs, performance.now() - startMs);
  }

  async #push(isBatch: boolean) {
    const client = this.channel.client(IngestService, "messages");
    if (isBatch) this.#sequence += 1;
    const payload = { case: "batch", value: batch(this.#sequence, [1]) } as const;
    const request = { registration: registration(this.#deviceId), ...(isBatch && { payload }) };
    return await client.pushBatch(request, { timeoutMs: servedMsMax });
  }

  async #counted(): Promise<number> {
    const client = this.channel.client(QueryService, "messages");
    let count = 0;
    for await (const { frame } of client.queryRange(range([this.#deviceId]), { timeoutMs: servedMsMax }))
      for (const each of frame?.counts ?? []) count += Number(each);
    return count;
  }
}
