import { describe, expect, it } from "vitest";
import { uplinkModes } from "../../device-sim/uplink/uplink.ts";
import { serverOfFile, startServer } from "../support/server.ts";
import { Cli, tidemark, until } from "../system/support/cli.ts";

const server = serverOfFile();
const past = ["--start", "2026-01-01T00:00:00Z", "--speed", "max"];
const simulate = (...args: string[]) => tidemark(["simulate", "--address", server().address, ...args]);

async function countedOf(idPrefix: string): Promise<number> {
  const { devices } = await server().query.listDevices({ pageSize: 1_000 });
  return devices
    .filter(({ deviceId }) => deviceId.startsWith(idPrefix))
    .reduce((sum, { samplesCounted }) => sum + Number(samplesCounted), 0);
}

describe.concurrent("simulate", () => {
  it.each(uplinkModes)("ends with one object of figures with --json, by %s", async (mode) => {
    const size = ["--devices", "3", "--metrics", "4", "--batches", "5", "--batch-samples", "10", "--connections", "2"];
    const { code, stdout, stderr } = await simulate(...past, ...size, "--mode", mode, "--id-prefix", mode, "--json");
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(JSON.parse(stdout)).toEqual({
      devices: 3,
      devicesRefused: 0,
      batchesSent: 15,
      batchesAcked: 15,
      samplesSent: 150,
      samplesAcked: 150,
      samplesRejected: 0,
      batchesUnacked: 0,
      batchesLost: 0,
      samplesLost: 0,
      readingsLate: 0,
      readingsMissing: 0,
      timesOffline: 0,
      // A disk that others keep busy for 200 ms is told of.
      slowDowns: { disk: expect.any(Number), quota: 0, memory: 0 },
      reconnects: 0,
      start: "2026-01-01T00:00:00Z",
      seed: 1,
      seconds: expect.any(Number),
      ackP50Ms: expect.any(Number),
      ackP99Ms: expect.any(Number),
    });
    expect(await countedOf(mode)).toBe(150);
  });

  it("ends with a summary for people, and how to have the same again", async () => {
    const { code, stdout, stderr } = await simulate(
      ...past,
      "--devices",
      "2",
      "--batches",
      "3",
      "--id-prefix",
      "people-",
    );
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout.trimEnd().split("\n")).toEqual([
      expect.stringMatching(/^2 devices, [\d.]+ s, \d+ samples\/s$/),
      "batches  sent 6  acked 6",
      "samples  sent 60  acked 60  rejected 0",
      expect.stringMatching(/^ack {6}p50 [\d.]+ ms {2}p99 [\d.]+ ms$/),
      "again    --seed 1 --start 2026-01-01T00:00:00Z",
    ]);
  });

  it("counts the same with --gzip", async () => {
    const size = ["--devices", "2", "--batches", "3", "--id-prefix", "gzip-", "--json"];
    const { code, stdout, stderr } = await simulate(...past, ...size, "--gzip");
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(JSON.parse(stdout)).toMatchObject({ samplesSent: 60, samplesAcked: 60 });
    expect(await countedOf("gzip-")).toBe(60);
  });

  it("stops after its duration, with everything sent acked", async () => {
    const flags = ["--devices", "2", "--interval", "50ms", "--duration", "1s", "--id-prefix", "timed-", "--json"];
    const { code, stdout } = await simulate(...flags);
    const { seconds, samplesSent, samplesAcked } = JSON.parse(stdout) as Record<string, number>;
    expect({ code, samplesAcked }).toEqual({ code: 0, samplesAcked: samplesSent });
    // Two devices of ten metrics, 20 times a second.
    expect(samplesSent).toBeGreaterThan(100);
    expect(samplesSent).toBeLessThanOrEqual(20 * (seconds * 20 + 2));
    expect(seconds).toBeGreaterThanOrEqual(1);
  });

  it("drains on SIGINT and ends with its figures", async () => {
    const flags = ["--devices", "2", "--interval", "20ms", "--id-prefix", "endless-", "--json"];
    const cli = new Cli(["simulate", "--address", server().address, ...flags]);
    await until(async () => (await countedOf("endless-")) > 100);
    cli.signal("SIGINT");
    const { code, stdout, stderr } = await cli.ended;
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const { samplesSent, samplesAcked } = JSON.parse(stdout) as Record<string, number>;
    expect(samplesAcked).toBe(samplesSent);
    expect(await countedOf("endless-")).toBe(samplesSent);
  });

  it.each(["25d", "50d"])("runs on with a duration of %s", async (duration) => {
    const flags = ["--devices", "1", "--interval", "20ms", "--id-prefix", `for-${duration}-`, "--json"];
    const cli = new Cli(["simulate", "--address", server().address, "--duration", duration, ...flags]);
    await until(async () => cli.over || (await countedOf(`for-${duration}-`)) > 50);
    cli.signal("SIGINT");
    const { code, stdout } = await cli.ended;
    expect(code).toBe(0);
    expect((JSON.parse(stdout) as Record<string, number>)["samplesSent"]).toBeGreaterThan(50);
  });

  it("takes a duration of a fraction of a millisecond", async () => {
    const { code, stderr } = await simulate("--duration", "1.5ms", "--devices", "1", "--id-prefix", "short-");
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  });

  it("has exit code 1 when another fleet takes its devices over, and says so", async () => {
    const flags = [
      "--address",
      server().address,
      "--devices",
      "2",
      "--interval",
      "20ms",
      "--id-prefix",
      "twin-",
      "--json",
    ];
    const first = new Cli(["simulate", ...flags]);
    await until(async () => (await countedOf("twin-")) > 0);
    const second = await tidemark(["simulate", ...flags, "--duration", "1s"]);
    expect(second.code).toBe(0);
    const { code, stdout, stderr } = await first.ended;
    expect({ code, refused: (JSON.parse(stdout) as Record<string, number>)["devicesRefused"] }).toEqual({
      code: 1,
      refused: 2,
    });
    for (const device of ["twin-0001", "twin-0002"]) {
      expect(stderr).toMatch(new RegExp(`warning: ${device} was refused: .*registered with a newer spool`));
    }
  });
});

describe.concurrent("simulate refuses, before it sends anything,", () => {
  it.each<[string, string[], ...string[]]>([
    ["a speed without a start", ["--speed", "max"], "--speed is not realtime", "say with --start"],
    ["a start in the future", ["--start", "now+1h"], "--start is 2", "in the future", "choose a time up to now"],
    [
      "batches that would end in the future",
      ["--start", "now-1m", "--speed", "max", "--batches", "100"],
      "--batches would end at 2",
      "in the future",
      "choose an earlier --start, fewer batches or a shorter --interval",
    ],
    [
      "a profile that it does not have",
      ["--disorder", "ships"],
      "--disorder <profile>",
      "ships",
      "Allowed choices are trucks",
    ],
    ["a share over one", ["--missing", "1.5"], "--missing", "1.5", "choose a number from 0 to 1"],
    ["a lateness without a unit", ["--late-by", "5"], "--late-by", "write a number with its unit"],
    ["batches with a duration", ["--batches", "1", "--duration", "1s"], "--duration <duration>", "--batches <n>"],
  ])("%s", async (_, args, ...words) => {
    const { code, stdout, stderr } = await simulate(...args, "--id-prefix", "never-");
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    for (const word of words) expect(stderr).toContain(word);
    expect(await countedOf("never-")).toBe(0);
  });
});

describe("simulate, told to end while its server is gone,", () => {
  it("waits for the acks, and ends at once at a second Ctrl-C, with exit code 130", async () => {
    const gone = await startServer();
    const flags = ["--devices", "1", "--interval", "2ms"];
    const cli = new Cli(["simulate", "--address", gone.address, ...flags]);
    await until(async () => (await gone.query.listDevices({})).devices.length === 1);
    await gone.stop();
    // By then the device has made readings that nobody has acked.
    await until(() => cli.stderr.filter((line) => line.endsWith("connecting again")).length >= 3);
    const firstMs = performance.now();
    // Within half a second they are one key press, which npm has passed on.
    await until(() => {
      cli.signal("SIGINT");
      return cli.over;
    });
    const { code, stdout } = await cli.ended;
    expect({ code, stdout }).toEqual({ code: 130, stdout: "" });
    expect(performance.now() - firstMs).toBeGreaterThan(500);
  });
});
