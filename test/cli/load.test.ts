import { describe, expect, it } from "vitest";
import { serverOfFile } from "../support/server.ts";
import { Cli, tidemark, until } from "../system/support/cli.ts";

const server = serverOfFile();
const small = ["--rate", "2k/s", "--devices", "5", "--metrics", "4", "--duration", "1s", "--connections", "2"];
const load = (...args: string[]) => tidemark(["load", "--address", server().address, ...small, ...args]);

async function samplesOf(idPrefix: string): Promise<number> {
  const { devices } = await server().query.listDevices({ pageSize: 1_000, deviceIdPrefixes: [idPrefix] });
  return devices.reduce((sum, { samplesCounted }) => sum + Number(samplesCounted), 0);
}

describe.concurrent("load", () => {
  it("ends with a summary for people: sent = acked = counted, and what it was held against", async () => {
    const { code, stdout } = await load();
    expect(code).toBe(0);
    const generator = /^(generator {2}late by p99 [\d.]+ ms, at most [\d.]+ ms; \d+ % of a core|warning: .*)$/;
    const lines = stdout.trimEnd().split("\n");
    expect(lines.filter((line) => !line.startsWith("warning: the load generator itself was late"))).toEqual([
      expect.stringMatching(/^load-[0-9a-f]{6}-: 5 devices x 4 metrics for 1(\.\d)? s$/),
      "2000 samples/s in batches of 4, by stream, on 2 connections",
      "",
      expect.stringMatching(/^rate {7}\d+ samples\/s acked$/),
      expect.stringMatching(/^ack {8}p50 [\d.]+ ms {2}p90 .* p99 .* p99\.9 .* max [\d.]+ ms, from when it was due$/),
      expect.stringMatching(generator),
      "samples    offered 2000, sent 2000, acked 2000, counted 2000: 0 lost, 0 counted twice",
      "verified   count, sum, min and max of 20 series, 0 wrong",
      "",
      "PASS  lost==0          0",
      "PASS  duplicated==0    0",
      "PASS  wrong_series==0  0",
      "PASS  refused==0       0",
      "PASS  unacked==0       0",
    ]);
  });

  it("ends with one object with --json, and code 1 when a threshold fails", async () => {
    const thresholds = ["--threshold", "ack_p50<1us", "--threshold", "sent>=2k", "--threshold", "rate >= 0"];
    const { code, stdout } = await load("--json", "--id-prefix", "json-", "--seed", "9", ...thresholds);
    expect(code).toBe(1);
    const result = JSON.parse(stdout) as Record<string, unknown>;
    expect(result).toMatchObject({
      passed: false,
      idPrefix: "json-",
      seed: 9,
      asked: { samplesPerSecond: 2_000, devices: 5, metrics: 4, batchSamples: 4, durationMs: 1_000, mode: "stream" },
      offered: 2_000,
      sent: 2_000,
      acked: 2_000,
      unacked: 0,
      isInterrupted: false,
      verification: { counted: 2_000, refused: 0, lost: 0, duplicated: 0, series: 20, seriesWrong: 0, differences: [] },
      faults: { cuts: 0, batchesRepeated: 0, readingsLate: 0 },
      generator: { lateMs: { p99: expect.any(Number) }, cpuShare: expect.any(Number), isLimited: expect.any(Boolean) },
      thresholds: [
        { threshold: "ack_p50<1us", value: expect.any(Number), passed: false },
        { threshold: "sent>=2k", value: 2_000, passed: true },
        { threshold: "rate >= 0", value: expect.any(Number), passed: true },
        { threshold: "lost==0", value: 0, passed: true },
        { threshold: "duplicated==0", value: 0, passed: true },
        { threshold: "wrong_series==0", value: 0, passed: true },
        { threshold: "refused==0", value: 0, passed: true },
        { threshold: "unacked==0", value: 0, passed: true },
      ],
    });
    expect(await samplesOf("json-")).toBe(2_000);
  });

  it("says in words which threshold has failed", async () => {
    const { code, stdout } = await load("--threshold", "ack_p99<1us", "--threshold", "cuts==0");
    expect(code).toBe(1);
    expect(stdout).toMatch(/^FAIL {2}ack_p99<1us +[\d.]+ ms$/m);
    expect(stdout).toMatch(/^PASS {2}cuts==0 +0$/m);
  });

  it("is right through faults on request, and tells them", async () => {
    const faults = ["--cut", "0.9", "--resend", "0.3", "--out-of-order", "0.2", "--late-by", "1m"];
    const { code, stdout } = await load("--duration", "3s", "--arrival", "poisson", "--ramp", "500ms", ...faults);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^faults {5}cuts [1-9]\d*, batches sent again [1-9]\d*, readings late [1-9]\d*$/m);
    const [, offered, sent, acked, counted] =
      /offered (\d+), sent (\d+), acked (\d+), counted (\d+): 0 lost, 0 counted twice/.exec(stdout) ?? [];
    expect([sent, acked, counted]).toEqual([offered, offered, offered]);
  });

  it("ends early on SIGINT, drains, verifies and judges", async () => {
    const cli = new Cli([
      "load",
      "--address",
      server().address,
      ...small,
      ...["--duration", "1h", "--id-prefix", "early-"],
    ]);
    await until(async () => (await samplesOf("early-")) > 100);
    cli.signal("SIGINT");
    const { code, stdout } = await cli.ended;
    expect(code).toBe(0);
    expect(stdout).toMatch(/^early-: 5 devices x 4 metrics for [\d.]+ s \(interrupted\)$/m);
    const [, sent, acked, counted] = /sent (\d+), acked (\d+), counted (\d+): 0 lost/.exec(stdout) ?? [];
    expect([acked, counted]).toEqual([sent, sent]);
    expect(await samplesOf("early-")).toBe(Number(sent));
  });

  it("tells how it is doing every five seconds where there is no terminal", async () => {
    const cli = new Cli(["load", "--address", server().address, ...small, "--duration", "1h"]);
    const line = await cli.line(/acked/, "stderr");
    cli.signal("SIGINT");
    expect((await cli.ended).code).toBe(0);
    expect(line).toMatch(
      /^tidemark: \d+s of 1h; offered \d+\/s {2}acked \d+\/s {2}waiting \d+; ack p50 .* ms {2}p99 .* ms; reconnects 0$/,
    );
  });

  it("has code 3 when no server is there", async () => {
    const { code, stdout, stderr } = await tidemark(["load", "--address", "127.0.0.1:1"]);
    expect({ code, stdout }).toEqual({ code: 3, stdout: "" });
    expect(stderr).toContain(
      'no server answers at 127.0.0.1:1 within 3 s (connect ECONNREFUSED 127.0.0.1:1); start one with "tidemark serve"',
    );
  });

  it("reads thresholds from the environment too", async () => {
    const env = { TIDEMARK_THRESHOLD: "lost=0" };
    const { code, stderr } = await tidemark(["load", "--address", server().address], { env });
    expect(code).toBe(2);
    expect(stderr).toContain('--threshold is "lost=0"');
  });
});

describe.concurrent("load refuses, before it looks for a server,", () => {
  it.each<[string, string[], ...string[]]>([
    ["a rate that is none", ["--rate", "many"], "--rate", '"many"', "such as 50000/s, 50k/s or 1.5M/s"],
    ["a threshold of an unknown metric", ["--threshold", "p99<5ms"], "--threshold", "no p99", "ack_p50, ack_p90"],
    ["a threshold without a unit", ["--threshold", "ack_p99<5"], '"ack_p99<5"', "such as 50ms"],
    ["a share over one", ["--cut", "2"], "--cut", '"2"', "choose a number from 0 to 1"],
    ["an arrival that it does not know", ["--arrival", "bursts"], "--arrival", "constant, poisson"],
    ["a ramp longer than the load", ["--ramp", "1h"], "--ramp is 1h, and the load ends after 1s", "--duration"],
    ["batches of parts of readings", ["--batch-samples", "6"], "--batch-samples is 6", "has 4 metrics", "a divisor"],
    ["a rate without a batch", ["--rate", "1/s"], "--rate is 1/s, too few for one batch of 4 samples in 1s"],
  ])("%s", async (_, args, ...words) => {
    const { code, stdout, stderr } = await tidemark(["load", "--address", "127.0.0.1:1", ...small, ...args]);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    for (const word of words) expect(stderr).toContain(word);
  });
});
