import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { callBytesInFlightMax, ingestBytesInFlightMax, messageBytesMax } from "../../lib/base/limits.ts";
import { Cli, mainFile, serve, temporaryDirectory, tidemark, until } from "../system/support/cli.ts";

const mib = 1024 * 1024;
const settled = /^sent = acked = counted, 0 lost, 0 counted twice/m;

/** Node with two threads and SQLite: 130 MiB; 32 MiB in flight are held as messages, slabs, groups, and garbage of each. */
const serverRssMax = 640 * mib;

/** Tells its process id first. */
const command = ["sh", "-c", 'echo "pid $$" >&2; exec "$@"', "sh", process.execPath, mainFile];

/** Makes some 10 MB/s: what is over the writer's capacity waits in the spools, 45 MiB unless told otherwise. */
const load = ["--devices", "120", "--interval", "10ms", "--batch-samples", "2000", "--spool-bytes", "384KiB"];
const fast = ["--integers", "--start", "2026-01-01T00:00:00Z", "--speed", "max", "--json"];

interface Status {
  readonly hops: readonly { readonly name: string; readonly used: string }[];
}

async function slowServer(appendMs: number) {
  const data = ["--data", await temporaryDirectory()];
  const { server, address } = await serve([...data, "--device-rate", "off", "--fault", `slow-append:${appendMs}`], {
    command,
  });
  const pid = Number((await server.line(/^pid /, "stderr")).slice(4));
  return { server, address, pid, data };
}

async function loaded(address: string, flags: readonly string[]): Promise<{ sim: Cli; log: string }> {
  const log = join(await temporaryDirectory(), "delivery.log");
  const sim = new Cli(["simulate", "--address", address, "--log", log, ...load, ...fast, ...flags]);
  await until(() => sim.over || (existsSync(log) && statSync(log).size > 5 * mib));
  return { sim, log };
}

async function expectSettled(address: string, log: string): Promise<void> {
  const { code, stdout, stderr } = await tidemark(["verify", "--log", log, "--address", address]);
  expect(stdout + stderr).toMatch(settled);
  expect(code).toBe(0);
}

function rssBytes(pid: number): number {
  const [, kib] = /^VmRSS:\s*(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  return Number(kib) * 1024;
}

describe("a writer that is slow", () => {
  it.each([
    // One connection fills its own limit, many together that of all calls.
    { connections: 1, appendMs: 1_000, cause: "disk", hop: "calls", seconds: 3, spool: ["--spool-bytes", "96KiB"] },
    { connections: 24, appendMs: 2_000, cause: "memory", hop: "writer", seconds: 8, spool: [] },
  ])(
    "blocks $connections connections within the limit of $hop, tells them $cause, and loses nothing",
    async ({ connections, appendMs, cause, hop, seconds, spool }) => {
      const { address, pid } = await slowServer(appendMs);
      const { sim, log } = await loaded(address, [
        "--connections",
        String(connections),
        "--duration",
        `${seconds}s`,
        ...spool,
      ]);
      const most = { calls: 0, writer: 0 };
      let rss = 0;
      let stalledMs = 0;
      let grownAtMs = performance.now();
      let logBytes = 0;
      const sampling = (async () => {
        while (!sim.over) {
          rss = Math.max(rss, rssBytes(pid));
          const size = statSync(log).size;
          if (size !== logBytes) grownAtMs = performance.now();
          logBytes = size;
          stalledMs = Math.max(stalledMs, performance.now() - grownAtMs);
          // A sample of the bounds is taken again and again; nothing is waited for.
          await sleep(50);
        }
      })();
      while (!sim.over) {
        const { code, stdout, stderr } = await tidemark(["status", "--address", address, "--json"]);
        expect(code, stderr).toBe(0);
        for (const { name, used } of (JSON.parse(stdout) as Status).hops) {
          if (name === "calls" || name === "writer") most[name] = Math.max(most[name], Number(used));
        }
      }
      await sampling;
      const { code, stdout, stderr } = await sim.ended;
      expect(code, stderr).toBe(0);
      const summary = JSON.parse(stdout) as {
        samplesAcked: number;
        seconds: number;
        slowDowns: Record<string, number>;
      };
      // biome-ignore lint/suspicious/noConsole: the figures are what was measured
      console.info({ connections, ...most, rssMiB: Math.round(rss / mib), stalledMs, ...summary });

      expect(most.calls).toBeLessThanOrEqual(callBytesInFlightMax + messageBytesMax);
      expect(most.writer).toBeLessThanOrEqual(ingestBytesInFlightMax + messageBytesMax);
      // It was above capacity, or nothing was tried.
      const limit = hop === "calls" ? callBytesInFlightMax : ingestBytesInFlightMax;
      expect(most[hop as "calls" | "writer"]).toBeGreaterThan(limit / 2);
      expect(rss).toBeLessThan(serverRssMax);
      // Sealing stops when the spools are full: the devices' sources were made to wait.
      expect(stalledMs).toBeGreaterThan(appendMs / 2);
      expect(summary.slowDowns[cause]).toBeGreaterThan(0);
      await expectSettled(address, log);
    },
  );

  it("does not keep SIGTERM under full load from ending it with 0 within 10 s, with nothing lost", async () => {
    const { server, address, data } = await slowServer(200);
    const { sim, log } = await loaded(address, ["--connections", "12"]);
    const stoppedMs = performance.now();
    server.signal("SIGTERM");
    expect((await server.ended).code).toBe(0);
    const tookMs = performance.now() - stoppedMs;
    // biome-ignore lint/suspicious/noConsole: the figures are what was measured
    console.info({ sigtermMs: Math.round(tookMs) });
    expect(tookMs).toBeLessThan(10_000);
    await serve([...data, "--grpc", address]);
    sim.signal("SIGINT");
    expect((await sim.ended).code).toBe(0);
    await expectSettled(address, log);
  });

  it("ends at once with 130 at a second SIGTERM", async () => {
    const { server, address } = await slowServer(3_000);
    const { sim } = await loaded(address, ["--connections", "12"]);
    server.signal("SIGTERM");
    // Within 0.5 s it would be taken for the same key.
    await sleep(700);
    expect(server.over).toBe(false);
    const againMs = performance.now();
    server.signal("SIGTERM");
    expect((await server.ended).code).toBe(130);
    // Less than the append that it does not wait for.
    expect(performance.now() - againMs).toBeLessThan(2_500);
    await sim.kill();
  });
});
