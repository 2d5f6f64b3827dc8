import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { Channel } from "../lib/rpc/client.ts";
import { AdminService } from "../proto/gen/telemetry/v1/admin_service_pb.js";
import { QueryService } from "../proto/gen/telemetry/v1/query_service_pb.js";

/** A server and its load in processes of their own, so that what is measured is what a user would run. */

const mainFile = fileURLToPath(new URL("../cli/main.ts", import.meta.url));
const loadFile = fileURLToPath(new URL("gateway-load.ts", import.meta.url));

export class BenchServer {
  readonly dataDir: string;
  readonly address: string;
  /** Where HTTP is served; undefined: nowhere. */
  readonly http: string | undefined;
  readonly channel: Channel;
  readonly #process: ChildProcess;

  /** @param dataDir a new one unless told otherwise */
  static async start(
    flags: readonly string[] = [],
    dataDir = mkdtempSync(join(tmpdir(), "tidemark-bench-")),
  ): Promise<BenchServer> {
    const args = ["serve", "--data", dataDir, "--grpc", "127.0.0.1:0", "--json", "--series-max", "off", ...flags];
    const child = spawn(process.execPath, [mainFile, ...args], { stdio: ["ignore", "pipe", "inherit"] });
    for await (const line of createInterface(child.stdout)) {
      const { grpc, http } = JSON.parse(line) as { grpc: string; http?: string };
      return new BenchServer(dataDir, { grpc, http }, child);
    }
    throw new Error("the server has ended before it was ready");
  }

  private constructor(
    dataDir: string,
    { grpc, http }: { readonly grpc: string; readonly http?: string | undefined },
    child: ChildProcess,
  ) {
    this.dataDir = dataDir;
    this.address = grpc;
    this.http = http;
    this.channel = new Channel(grpc);
    this.#process = child;
  }

  get admin() {
    return this.channel.client(AdminService, "messages");
  }

  get query() {
    return this.channel.client(QueryService, "messages");
  }

  /** What the HTTP port tells at `/metrics`, by names with labels. */
  async metrics(): Promise<ReadonlyMap<string, number>> {
    const text = await (await fetch(`http://${this.http}/metrics`)).text();
    return new Map(
      [...text.matchAll(/^(\w+(?:\{.*\})?) (\S+)$/gm)].map(([, name = "", value]) => [name, Number(value)]),
    );
  }

  /** Resident memory, and the most that it has been since `resetPeak`, in bytes. */
  memory(): { readonly rss: number; readonly peak: number } {
    const status = readFileSync(`/proc/${this.#process.pid}/status`, "utf8");
    const kib = (name: string) => Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1]);
    return { rss: kib("VmRSS") * 1024, peak: kib("VmHWM") * 1024 };
  }

  /** Processor time so far, in seconds. */
  cpuSeconds(): number {
    const fields = readFileSync(`/proc/${this.#process.pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
    return (Number(fields[11]) + Number(fields[12])) / 100;
  }

  /** Open files, sockets and other handles. */
  handles(): number {
    return readdirSync(`/proc/${this.#process.pid}/fd`).length;
  }

  /** Another one on the same data. */
  async restart(flags: readonly string[] = []): Promise<BenchServer> {
    await this.#end();
    return await BenchServer.start(flags, this.dataDir);
  }

  async stop(): Promise<void> {
    await this.#end();
    rmSync(this.dataDir, { recursive: true, force: true });
  }

  async #end(): Promise<void> {
    this.channel.close();
    const ended = new Promise((resolve) => this.#process.once("exit", resolve));
    this.#process.kill("SIGTERM");
    await ended;
  }
}

export interface LoadResult {
  readonly samplesSent: number;
  readonly samplesAcked: number;
  /** From the first connection to the last ack. */
  readonly seconds: number;
  /** Until every device was registered. */
  readonly registerSeconds: number;
  readonly ackP50Ms: number;
  readonly ackP99Ms: number;
  readonly ackMaxMs: number;
}

/** Devices that send a reading of all their metrics once per period of seconds, for so long. */
export function startLoad(
  server: BenchServer,
  devices: number,
  metrics: number,
  seconds: number,
  { period = 1, gateways = 8 } = {},
): Promise<LoadResult> {
  const flags = { address: server.address, devices, metrics, seconds, period, gateways };
  return lastLine(
    loadFile,
    Object.entries(flags).flatMap(([name, value]) => [`--${name}`, String(value)]),
  );
}

/** Runs `tidemark simulate` to its end. */
export function simulate(server: BenchServer, flags: readonly string[]): Promise<LoadResult> {
  return lastLine(mainFile, ["simulate", "--address", server.address, "--json", ...flags]);
}

async function lastLine(program: string, args: readonly string[]): Promise<LoadResult> {
  const child = spawn(process.execPath, [program, ...args], { stdio: ["ignore", "pipe", "inherit"] });
  let result: LoadResult | undefined;
  for await (const line of createInterface(child.stdout)) result = JSON.parse(line) as LoadResult;
  if (result === undefined) throw new Error("the load has ended without a result");
  return result;
}

/** Percentiles of times in milliseconds, for people. */
export function percentiles(timesMs: readonly number[]): string {
  const sorted = [...timesMs].sort((a, b) => a - b);
  const at = (part: number) => (sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? 0).toFixed(1);
  return `p50 ${at(0.5)} p99 ${at(0.99)} max ${at(1)} ms (${sorted.length} times)`;
}

export function mib(bytes: number): string {
  return `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
}
