import { describe, expect, it } from "vitest";
import { Cli, temporaryDirectory } from "./support/cli.ts";

const statusLine = /^(\d+) devices {2}(\d+) samples\/s {2}ack p50 ([\d.]+) ms p99 ([\d.]+) ms {2}(\d+) samples acked$/;
const totalsLine = /^sent (\d+), acked (\d+), counted (\d+)(, rejected \d+)?$/;

/** Runs the demo for so many status lines, then interrupts it. */
async function demo(dataDir: string, seconds: number) {
  const flags = [
    "--grpc",
    "127.0.0.1:0",
    "--http",
    "127.0.0.1:0",
    "--devices",
    "8",
    "--metrics",
    "5",
    "--interval",
    "100ms",
  ];
  const cli = new Cli(["demo", "--data", dataDir, ...flags]);
  const arrivals: number[] = [];
  for (let count = 1; count <= seconds; count += 1) {
    await cli.lines(count);
    arrivals.push(performance.now());
  }
  cli.signal("SIGINT");
  return { ...(await cli.ended), arrivals };
}

describe("the demo without a terminal", () => {
  it("prints a plain line per second, and on SIGINT ends with totals that agree, run after run", async () => {
    const dataDir = await temporaryDirectory();
    for (const seconds of [2, 2]) {
      const { code, stdout, stderr, arrivals } = await demo(dataDir, seconds);
      expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringContaining(`data in ${dataDir}`) });
      expect(stderr).not.toMatch(/warning|error/);

      const lines = stdout.trimEnd().split("\n");
      const status = lines.slice(0, -1).map((line) => statusLine.exec(line));
      expect(status).not.toContain(null);
      expect(status.map((match) => match?.[1])).toEqual(status.map(() => "8"));
      // Ten readings of five metrics of eight devices per second.
      expect(Number(status.at(-1)?.[5])).toBeGreaterThan(100);
      const betweenMs = (arrivals[arrivals.length - 1] - arrivals[0]) / (arrivals.length - 1);
      expect(betweenMs).toBeGreaterThan(700);
      expect(betweenMs).toBeLessThan(2_000);

      const [, sent, acked, counted] = totalsLine.exec(lines.at(-1) ?? "") ?? [];
      expect({ acked, counted }).toEqual({ acked: sent, counted: sent });
      expect(Number(sent)).toBeGreaterThanOrEqual(Number(status.at(-1)?.[5]));
    }
  });

  it("has its address, its data and its fleet as it is told, and says where", async () => {
    const dataDir = await temporaryDirectory();
    const addresses = ["--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0"];
    const cli = new Cli(["demo", "--data", dataDir, ...addresses, "--devices", "2"]);
    const [dashboard] = /http:\S+/.exec(await cli.line(/dashboard on/, "stderr")) ?? [];
    expect(dashboard).toMatch(/^http:\/\/127\.0\.0\.1:[1-9]\d*,$/);
    expect(await (await fetch(dashboard?.slice(0, -1) ?? "")).text()).toContain("<title>Tidemark</title>");
    const line = await cli.line(/gRPC on/, "stderr");
    expect(line).toMatch(/gRPC on 127\.0\.0\.1:[1-9]\d*, data in .*; Ctrl-C drains and ends$/);
    cli.signal("SIGTERM");
    const { code, stdout } = await cli.ended;
    expect(code).toBe(0);
    expect(stdout.trimEnd().split("\n").at(-1)).toMatch(totalsLine);
  });
});
