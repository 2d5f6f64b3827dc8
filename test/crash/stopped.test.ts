import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { describe, expect, it } from "vitest";
import { selectionBytesMax } from "../../lib/base/limits.ts";
import { Channel } from "../../lib/rpc/client.ts";
import { QueryService, type SubscribeResponse } from "../../proto/gen/telemetry/v1/query_service_pb.js";
import { Cli, mainFile, serve, temporaryDirectory, tidemark, until } from "../system/support/cli.ts";

const mib = 1024 * 1024;
const settled = /^sent = acked = counted, 0 lost, 0 counted twice/m;

/** Standing still for so long is what is tried: the sleeps of this file wait for nothing. */
const stopMs = 10_000;
const devices = 200;
const fleet = ["--devices", String(devices), "--interval", "100ms", "--integers", "--json"];

/** Node with gRPC, the fleet, its log, and garbage of each. */
const simulatorBaseRss = 200 * mib;
/** Measured: 520 to 690 MiB, of which some 4 MiB per subscriber that stands still; the rest is room for garbage. */
const serverRssMax = 1024 * mib;

/** Tells its process id first. */
const command = ["sh", "-c", 'echo "pid $$" >&2; exec "$@"', "sh", process.execPath, mainFile];

async function pidOf(cli: Cli): Promise<number> {
  return Number((await cli.line(/^pid /, "stderr")).slice(4));
}

function rssBytes(pid: number): number {
  const [, kib] = /^VmRSS:\s*(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  return Number(kib) * 1024;
}

/** The most that the process held while it lasted. */
async function mostRss(pid: number, lastsMs: number): Promise<number> {
  let most = 0;
  const endMs = performance.now() + lastsMs;
  while (performance.now() < endMs) {
    most = Math.max(most, rssBytes(pid));
    await sleep(100);
  }
  return most;
}

async function simulation(address: string, flags: readonly string[] = []): Promise<{ sim: Cli; log: string }> {
  const log = join(await temporaryDirectory(), "delivery.log");
  const sim = new Cli(["simulate", "--address", address, "--log", log, ...fleet, ...flags], { command });
  await until(() => sim.over || (existsSync(log) && statSync(log).size > 0));
  return { sim, log };
}

async function expectSettled(sim: Cli, address: string, log: string): Promise<void> {
  sim.signal("SIGINT");
  const { code, stderr } = await sim.ended;
  expect(code, stderr).toBe(0);
  const verdict = await tidemark(["verify", "--log", log, "--address", address]);
  expect(verdict.stdout + verdict.stderr).toMatch(settled);
}

interface Hop {
  readonly name: string;
  readonly used: string;
  readonly limit: string;
}

async function subscribersHop(address: string): Promise<Hop> {
  const { code, stdout, stderr } = await tidemark(["status", "--address", address, "--json"]);
  expect(code, stderr).toBe(0);
  const hop = (JSON.parse(stdout) as { hops: Hop[] }).hops.find(({ name }) => name === "subscribers");
  if (hop === undefined) throw new Error(stdout);
  return hop;
}

function subscribe(channel: Channel): AsyncIterator<SubscribeResponse> {
  const responses = channel.client(QueryService, "messages").subscribe({ tier: durationFromMs(10_000) });
  return responses[Symbol.asyncIterator]();
}

/** Reads until its channel is closed, and tells the longest time between two updates. */
class Reader {
  slowestMs = 0;
  updates = 0;
  #lastMs = performance.now();

  async read(responses: AsyncIterator<SubscribeResponse>): Promise<void> {
    for (;;) {
      const { done, value } = await responses.next();
      if (done === true) return;
      if (value.event.case === "changes") this.mark();
    }
  }

  mark(): void {
    const nowMs = performance.now();
    // From the first update on: before it there may have been nothing to tell.
    if (this.updates > 0) this.slowestMs = Math.max(this.slowestMs, nowMs - this.#lastMs);
    this.#lastMs = nowMs;
    this.updates += 1;
  }
}

describe("a server that stands still for 10 s", () => {
  it("leaves a simulator within its spools' bound, and is sent and acks everything afterwards", async () => {
    const { server, address } = await serve(["--data", await temporaryDirectory()]);
    // The spools are full after some 2 s of the stop: what comes after them is what the bound is for.
    const spoolBytes = 64 * 1024;
    const flags = ["--metrics", "100", "--spool-bytes", String(spoolBytes)];
    const { sim, log } = await simulation(address, flags);
    const pid = await pidOf(sim);
    server.signal("SIGSTOP");
    const rss = await mostRss(pid, stopMs);
    server.signal("SIGCONT");
    // biome-ignore lint/suspicious/noConsole: the figures are what was measured
    console.info({ simulatorRssMiB: Math.round(rss / mib), spoolsMiB: (devices * spoolBytes) / mib });
    expect(rss).toBeLessThan(simulatorBaseRss + devices * spoolBytes);
    await expectSettled(sim, address, log);
  });
});

describe("subscribers that stand still for 10 s", () => {
  it("hold up nobody when one of them is a process that is stopped", async () => {
    const { server, address } = await serve(["--data", await temporaryDirectory()], { command });
    const { sim, log } = await simulation(address);
    const watcher = new Cli(["watch", "--address", address, "--json"]);
    await watcher.lines(1);
    const channel = new Channel(address);
    const reader = new Reader();
    const reading = reader.read(subscribe(channel)).catch(() => {});
    await until(() => reader.updates > 0);
    watcher.signal("SIGSTOP");
    const rss = await mostRss(await pidOf(server), stopMs);
    const hop = await subscribersHop(address);
    const { slowestMs, updates } = reader;
    const before = watcher.stdout.length;
    watcher.signal("SIGCONT");
    // It is told the latest again.
    await watcher.lines(before + 1);
    // biome-ignore lint/suspicious/noConsole: the figures are what was measured
    console.info({ serverRssMiB: Math.round(rss / mib), slowestMs: Math.round(slowestMs), updates, hop });
    // Some 0.3 to 0.7 s here; a reader that was held up would have waited for the 10 s.
    expect(slowestMs).toBeLessThan(5_000);
    expect(Number(hop.used)).toBeLessThanOrEqual(selectionBytesMax);
    expect(rss).toBeLessThan(serverRssMax);
    channel.close();
    await watcher.kill();
    await expectSettled(sim, address, log);
    server.signal("SIGTERM");
    expect((await server.ended).code).toBe(0);
    await reading;
  });

  it("hold up none of 10 that read when they are 100 that do not, and status tells what waits for them", async () => {
    const { server, address } = await serve(["--data", await temporaryDirectory()], { command });
    const { sim, log } = await simulation(address);
    // A connection each: streams of one share its window.
    const idle = Array.from({ length: 100 }, () => new Channel(address));
    const idleCalls = idle.map(subscribe);
    // Only their first message.
    await Promise.all(idleCalls.map((responses) => responses.next()));
    const busy = Array.from({ length: 10 }, () => new Channel(address));
    const readers = busy.map(() => new Reader());
    const reading = busy.map((channel, i) => readers[i]?.read(subscribe(channel)).catch(() => {}));
    await until(() => readers.every(({ updates }) => updates > 0));
    const rss = await mostRss(await pidOf(server), stopMs);
    const hop = await subscribersHop(address);
    const slowestMs = Math.max(...readers.map((reader) => reader.slowestMs));
    const updates = Math.min(...readers.map((reader) => reader.updates));
    // biome-ignore lint/suspicious/noConsole: the figures are what was measured
    console.info({ serverRssMiB: Math.round(rss / mib), slowestMs: Math.round(slowestMs), updates, hop });
    // Some 0.3 to 0.7 s here; a reader that was held up would have waited for the 10 s.
    expect(slowestMs).toBeLessThan(5_000);
    // What waits for one that does not read is one value per window; a reader's is sent at once.
    expect(Number(hop.used)).toBeGreaterThan(0);
    expect(Number(hop.used)).toBeLessThanOrEqual(Number(hop.limit));
    expect(rss).toBeLessThan(serverRssMax);
    await Promise.all(idleCalls.map((responses) => responses.return?.()));
    for (const channel of [...idle, ...busy]) channel.close();
    await expectSettled(sim, address, log);
    server.signal("SIGTERM");
    expect((await server.ended).code).toBe(0);
    await Promise.all(reading);
  });
});
