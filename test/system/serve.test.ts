import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { accessSync, constants } from "node:fs";
import { writeFile } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { delimiter, join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { Channel } from "../../lib/rpc/client.ts";
import { QueryService } from "../../proto/gen/telemetry/v1/query_service_pb.js";
import { Cli, checkout, jsonLines, serve, temporaryDirectory, tidemark } from "./support/cli.ts";

/** What a server allows without flags. */
const limits = "1000 series per device, 150000 series in all, 10000 samples/s per device, times up to 10m ahead";
const tiers = "tidemark: tiers: 10s, 1m, 1h, 1d; lateness 30s\n";
const window = "tidemark: receive window: 256KiB of memory at most for each call that is not read\n";

describe("serve", () => {
  it("prints one line of JSON when it is ready, with the port that it has", async () => {
    const dataDir = await temporaryDirectory();
    const { server, address, ready } = await serve(["--data", dataDir]);
    expect(address).toMatch(/^127\.0\.0\.1:[1-9]\d*$/);
    expect(ready).toEqual({ event: "ready", grpc: address });
    expect(server.stdout).toHaveLength(1);
    expect(await devicesAt(address)).toEqual([]);
  });

  it("prints one plain line without --json", async () => {
    const dataDir = await temporaryDirectory();
    const server = new Cli(["serve", "--data", dataDir, "--grpc", "localhost:0"]);
    const line = await server.line(/ready/);
    expect(line).toMatch(/^tidemark is ready: gRPC on localhost:[1-9]\d*, data in .*$/);
    expect(line).toContain(dataDir);
  });

  it.each(["SIGTERM", "SIGINT"] as const)("ends with 0 on %s, and its port is free", async (signal) => {
    const { server, address } = await serve(["--data", await temporaryDirectory()]);
    server.signal(signal);
    const { code, stdout, stderr } = await server.ended;
    expect(code).toBe(0);
    expect(jsonLines(stdout)).toEqual([{ event: "ready", grpc: address }, { event: "stopped" }]);
    expect(stderr).toBe(
      `tidemark: durability fsync\n${tiers}tidemark: raw samples: not kept\ntidemark: limits: ${limits}\n${window}tidemark: draining\n`,
    );
    await expect(devicesAt(address)).rejects.toMatchObject({ status: "UNAVAILABLE" });
  });

  it("takes its limits from flags, environment and file, and says at start and in its status what they are", async () => {
    const config = join(await temporaryDirectory(), "tidemark.json");
    await writeFile(config, JSON.stringify({ serve: { "future-max": "1h30m", "series-max": 7 } }));
    const flags = ["--data", await temporaryDirectory(), "--device-rate", "off", "--device-series-max", "5"];
    const env = { TIDEMARK_SERIES_MAX: "off", TIDEMARK_CONFIG: config };
    const { server, address } = await serve(flags, { env });
    const told =
      "5 series per device, any number of series in all, any number of samples/s per device, times up to 1h30m ahead";
    expect(await server.line(/limits/, "stderr")).toBe(`tidemark: limits: ${told}`);
    const past = ["--start", "2026-01-01T00:00:00Z", "--speed", "max", "--batches", "3", "--devices", "1"];
    const simulated = await tidemark(["simulate", "--address", address, "--metrics", "8", ...past]);
    expect(simulated.code).toBe(0);
    expect(simulated.stdout).toContain("samples  sent 24  acked 15  rejected 9");
    expect(simulated.stderr).toContain("the limit is 5 per device; send fewer metrics, or raise --device-series-max");
    const { stdout } = await tidemark(["status", "--address", address]);
    expect(stdout).toContain("refused  9 samples of 3 batches: SERIES_LIMIT");
    expect(stdout).toContain(`limits   5 series; ${told}; 0 times a call was made to wait for its rate`);
  });

  it("ends at once on SIGTERM though streams are open, with everything acked on disk", async () => {
    const dataDir = await temporaryDirectory();
    const first = await serve(["--data", dataDir]);
    const watch = new Cli(["watch", "--address", first.address]);
    const fleet = new Cli(["simulate", "--address", first.address, "--devices", "3", "--interval", "20ms", "--json"]);
    await watch.lines(10);
    const stoppedMs = performance.now();
    first.server.signal("SIGTERM");
    expect((await first.server.ended).code).toBe(0);
    expect(performance.now() - stoppedMs).toBeLessThan(4_000);

    // The fleet waits for a server, and finds none.
    fleet.signal("SIGTERM");
    const again = await serve(["--data", dataDir, "--grpc", first.address]);
    const summary = JSON.parse((await fleet.ended).stdout) as { samplesSent: number; samplesAcked: number };
    expect(summary.samplesAcked).toBe(summary.samplesSent);
    const counted = (await devicesAt(again.address)).reduce((sum, { samplesCounted }) => sum + samplesCounted, 0n);
    expect(Number(counted)).toBe(summary.samplesSent);
  });

  it("refuses a data directory that another server has, with exit code 4", async () => {
    const dataDir = await temporaryDirectory();
    const { address } = await serve(["--data", dataDir]);
    const { code, stdout, stderr } = await tidemark(["serve", "--data", dataDir, "--grpc", "127.0.0.1:0"]);
    expect({ code, stdout }).toEqual({ code: 4, stdout: "" });
    expect(stderr).toContain(`${dataDir} is in use by another tidemark server`);
    expect(stderr).toContain("name another directory with --data");
    // The first one goes on.
    expect(await devicesAt(address)).toEqual([]);
  });

  it("says at start which tiers it keeps for how long, and refuses the database with others, with exit code 4", async () => {
    const dataDir = await temporaryDirectory();
    const kept = ["--tiers", "5s,1m,1h", "--retention", "5s=2h,1m=30d", "--lateness", "2m"];
    const { server, address } = await serve(["--data", dataDir, ...kept]);
    const told = "tidemark: tiers: 5s for 2h, 1m for 30d, 1h; lateness 2m";
    expect(await server.line(/tiers/, "stderr")).toBe(told);
    // Without a tier of its own, a watch shows the finest one, whichever that is.
    const watch = new Cli(["watch", "--address", address]);
    await tidemark(["simulate", "--address", address, "--devices", "1", "--batches", "1"]);
    expect(JSON.parse(await watch.line(/"tier"/))).toMatchObject({ tier: "5s" });
    server.signal("SIGTERM");
    await server.ended;
    const { code, stdout, stderr } = await tidemark(["serve", "--data", dataDir, "--grpc", "127.0.0.1:0"]);
    expect({ code, stdout }).toEqual({ code: 4, stdout: "" });
    expect(stderr).toContain("has the tiers 5s,1m,1h, not 10s,1m,1h,1d; start with --tiers 5s,1m,1h");
  });

  it("refuses an address that is taken, with exit code 3, and leaves the data directory free", async () => {
    const taken = createServer().listen(0, "127.0.0.1");
    onTestFinished(() => void taken.close());
    await once(taken, "listening");
    const { port } = taken.address() as { port: number };
    const dataDir = await temporaryDirectory();
    const { code, stdout, stderr } = await tidemark(["serve", "--data", dataDir, "--grpc", `127.0.0.1:${port}`]);
    expect({ code, stdout }).toEqual({ code: 3, stdout: "" });
    expect(stderr).toContain(`cannot listen on 127.0.0.1:${port}: it is in use`);
    expect(stderr).toContain("--grpc");
    await serve(["--data", dataDir]);
  });

  it("refuses a data directory that cannot be made, with exit code 4", async () => {
    const dataDir = join(checkout, "package.json", "data");
    const { code, stdout, stderr } = await tidemark(["serve", "--data", dataDir, "--grpc", "127.0.0.1:0"]);
    expect({ code, stdout }).toEqual({ code: 4, stdout: "" });
    expect(stderr).toContain(dataDir);
  });

  it("has what it had when it is started again", async () => {
    const dataDir = await temporaryDirectory();
    const first = await serve(["--data", dataDir]);
    const past = ["--start", "2026-01-01T00:00:00Z", "--speed", "max", "--batches", "5", "--devices", "2"];
    const simulated = await tidemark(["simulate", "--address", first.address, ...past]);
    expect(simulated.code).toBe(0);
    first.server.signal("SIGTERM");
    await first.server.ended;

    const second = await serve(["--data", dataDir]);
    const devices = await devicesAt(second.address);
    expect(devices.map(({ deviceId, samplesCounted }) => [deviceId, samplesCounted])).toEqual([
      ["sim-0001", 50n],
      ["sim-0002", 50n],
    ]);
  });
});

describe("with an older Node on the PATH", () => {
  it("serves under the Node that the package brings along, and passes SIGTERM on", async ({ skip }) => {
    const node = olderNode();
    if (node === undefined) return skip("no Node older than 24 is on the PATH");
    const command = [node, join(checkout, "cli/tidemark.js")];
    const { server, address } = await serve(["--data", await temporaryDirectory()], { command });
    expect(await devicesAt(address)).toEqual([]);
    server.signal("SIGTERM");
    const { code, stdout } = await server.ended;
    expect(code).toBe(0);
    expect(jsonLines(stdout).at(-1)).toEqual({ event: "stopped" });
    await expect(once(connect(Number(address.split(":")[1]), "127.0.0.1"), "connect")).rejects.toThrow("ECONNREFUSED");
  });

  it("hands arguments and exit codes through", async ({ skip }) => {
    const node = olderNode();
    if (node === undefined) return skip("no Node older than 24 is on the PATH");
    const command = [node, join(checkout, "cli/tidemark.js")];
    const { code, stdout, stderr } = await tidemark(["query", "--from", "a b"], { command });
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toContain('--from is "a b"');
  });
});

async function devicesAt(address: string) {
  const channel = new Channel(address);
  try {
    return (await channel.client(QueryService, "messages").listDevices({}, { timeoutMs: 10_000 })).devices;
  } finally {
    channel.close();
  }
}

/** The machine's own Node, where it is older than the one of the checkout. */
function olderNode(): string | undefined {
  const folders = (process.env["PATH"] ?? "").split(delimiter).filter((folder) => !folder.includes("node_modules"));
  const nodes = folders.map((folder) => join(folder, "node")).filter(isExecutable);
  return nodes.find((node) => {
    const version = execFileSync(node, ["--version"], { encoding: "utf8" });
    return Number(/^v(\d+)/.exec(version)?.[1]) < 24;
  });
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
