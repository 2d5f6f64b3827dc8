import { spawnSync } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { Channel } from "../../lib/rpc/client.ts";
import {
  Health,
  HealthCheckResponse_ServingStatus as ServingStatus,
} from "../../proto/gen/grpc/health/v1/health_pb.js";
import { Cli, mainFile, serve, temporaryDirectory, tidemark, until } from "../system/support/cli.ts";

const fleet = ["--devices", "20", "--interval", "10ms", "--integers", "--json"];
const settled = /^sent = acked = counted, 0 lost, 0 counted twice/m;
const mib = 1024 * 1024;

function can(program: string, ...args: string[]): boolean {
  return spawnSync(program, args).status === 0;
}

async function simulation(address: string): Promise<{ sim: Cli; log: string }> {
  const log = join(await temporaryDirectory(), "delivery.log");
  const sim = new Cli(["simulate", "--address", address, "--log", log, ...fleet]);
  await until(() => sim.over || (existsSync(log) && statSync(log).size > 0));
  return { sim, log };
}

/** What a probe is told of the server as a whole. */
async function healthOf(address: string): Promise<ServingStatus> {
  const channel = new Channel(address);
  try {
    return (await channel.client(Health, "messages").check({}, { timeoutMs: 10_000 })).status;
  } finally {
    channel.close();
  }
}

async function expectSettled(address: string, log: string): Promise<void> {
  const { stdout, stderr } = await tidemark(["verify", "--log", log, "--address", address]);
  expect(stdout + stderr).toMatch(settled);
}

const mounts = process.getuid?.() === 0 && can("mount", "--version");
// biome-ignore lint/suspicious/noConsole: what was not tried must be said
if (!mounts) console.warn("skipped: a full disk needs root, who can mount a small one");

describe.runIf(mounts)("a disk that is full", () => {
  it("stops the acks, not the queries, and ingest goes on by itself when there is space", async () => {
    const disk = join(await temporaryDirectory(), "disk");
    await mkdir(disk);
    expect(can("mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", disk)).toBe(true);
    try {
      const filler = join(disk, "filler");
      await writeFile(filler, Buffer.alloc(18 * mib));
      const { server, address } = await serve(["--data", join(disk, "data")]);
      const { sim, log } = await simulation(address);
      const problem = async () => {
        const { stdout } = await tidemark(["status", "--address", address, "--json"]);
        return (JSON.parse(stdout) as { storeProblem: string }).storeProblem;
      };
      const rows = async () => {
        const { code, stdout } = await tidemark(["query", "--address", address, "--tier", "1d", "--format", "ndjson"]);
        expect(code).toBe(0);
        return stdout.split("\n").length;
      };
      // A query stores what it selects; what is held in memory only cannot be stored any more when the disk is full.
      await until(async () => (await rows()) > 20);
      await until(async () => (await problem()) === "the disk is full");
      await until(async () => (await healthOf(address)) === ServingStatus.NOT_SERVING);
      expect(await rows()).toBeGreaterThan(20);

      await rm(filler);
      await until(async () => (await problem()) === "");
      await until(async () => (await healthOf(address)) === ServingStatus.SERVING);
      sim.signal("SIGINT");
      const { code: simulated, stderr } = await sim.ended;
      expect(simulated, stderr).toBe(0);
      expect(stderr).toContain("disk is full");
      await expectSettled(address, log);
      server.signal("SIGTERM");
      expect((await server.ended).code).toBe(0);
    } finally {
      spawnSync("umount", ["-l", disk]);
    }
  }, 60_000);
});

const traces = can("strace", "-V");
// biome-ignore lint/suspicious/noConsole: what was not tried must be said
if (!traces) console.warn("skipped: an fsync that fails needs strace, which injects it");

describe.runIf(traces)("an fsync that fails", () => {
  it("acks nothing of its group, ends the server, and is recovered from", async () => {
    const data = ["--data", await temporaryDirectory()];
    const inject = ["-e", "trace=fsync,fdatasync", "-e", "inject=fsync,fdatasync:error=EIO:when=60+"];
    const command = ["strace", "-f", "-o", "/dev/null", ...inject, process.execPath, mainFile];
    const { server, address } = await serve(data, { command });
    const { sim, log } = await simulation(address);
    const { code, stderr } = await server.ended;
    expect(stderr).toContain("the store has failed");
    expect(code).toBe(4);
    await serve([...data, "--grpc", address]);
    sim.signal("SIGINT");
    expect((await sim.ended).code).toBe(0);
    await expectSettled(address, log);
  });
});
