import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { selectorOf } from "../../cli/commands/query.ts";
import { parseKeepRaw } from "../../cli/raw-options.ts";
import { push } from "../support/query.ts";
import { serverOfFile, startServer } from "../support/server.ts";
import { Cli, jsonLines, temporaryDirectory, tidemark } from "../system/support/cli.ts";

const unbounded = Number.POSITIVE_INFINITY;
const server = serverOfFile({}, { keepRaw: { durationMs: unbounded, bytesMax: unbounded } });
const day = ["--from", "2026-01-15T00:00:00Z", "--to", "2026-01-16T00:00:00Z"];
/** Names as awkward as names may be. */
const odd = 'press "7", hall 2';

beforeAll(async () => {
  await push(server(), "truck-1", 1, [1.5, Number.NaN, -2], { metrics: ["speed"], labels: { site: "north" } });
  await push(server(), "truck-2", 1, [1e300], { metrics: ["speed"] });
  await push(server(), odd, 1, [0], { metrics: ["speed"] });
});

const run = (...args: string[]) => tidemark(["export", args[0] ?? "", "--address", server().address, ...args.slice(1)]);

describe.concurrent("export", () => {
  it("writes samples as CSV with one heading, quoted where it must be", async () => {
    expect(await run("samples", ...day)).toEqual({
      code: 0,
      stderr: "",
      stdout: [
        "device,metric,time,value",
        "truck-1,speed,2026-01-15T00:00:00Z,1.5",
        "truck-1,speed,2026-01-15T00:00:00.002Z,-2",
        "truck-2,speed,2026-01-15T00:00:00Z,1e+300",
        `"press ""7"", hall 2",speed,2026-01-15T00:00:00Z,0`,
        "",
      ].join("\n"),
    });
  });

  it("writes samples as ndjson", async () => {
    const { stdout } = await run("samples", ...day, "--format", "ndjson", "--device", odd);
    expect(jsonLines(stdout)).toEqual([{ device: odd, metric: "speed", time: "2026-01-15T00:00:00Z", value: 0 }]);
  });

  it("selects by prefixes, names and labels", async () => {
    const f = async (args: string[], ids: string[]) => {
      const { code, stdout } = await run("samples", ...day, "--format", "ndjson", ...args);
      expect(code).toBe(0);
      expect(jsonLines<{ device: string }>(stdout).map(({ device }) => device)).toEqual(ids);
    };
    await f(["--device", "truck-*"], ["truck-1", "truck-1", "truck-2"]);
    await f(["--device", "truck-*", "--device", odd, "--metric", "sp*"], ["truck-1", "truck-1", "truck-2", odd]);
    await f(["--where", "site=north"], ["truck-1", "truck-1"]);
    await f(["--metric", "temp*"], []);
  });

  it("writes the aggregates that query writes", async () => {
    const args = [...day, "--device", "truck-*", "--tier", "1h", "--format", "csv"];
    const query = await tidemark(["query", "--address", server().address, ...args]);
    expect(query.stdout.split("\n")).toHaveLength(4);
    expect((await run("aggregates", ...args)).stdout).toBe(query.stdout);
  });

  it("writes into a file, which is there when it is whole", async () => {
    const file = join(await temporaryDirectory(), "samples.csv");
    const { code, stdout, stderr } = await run("samples", ...day, "--out", file);
    expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: "", stderr: `tidemark: 4 samples in ${file}\n` });
    expect(readFileSync(file, "utf8")).toBe((await run("samples", ...day)).stdout);
    const other = await temporaryDirectory();
    expect((await run("samples", ...day, "--device", "nobody", "--out", join(other, "x"))).code).toBe(1);
    expect(readdirSync(other)).toEqual([]);
  });

  it("says when there is nothing", async () => {
    const { code, stdout, stderr } = await run(
      "samples",
      "--from",
      "2025-01-01T00:00:00Z",
      "--to",
      "2025-01-02T00:00:00Z",
    );
    expect({ code, stdout }).toEqual({ code: 0, stdout: "" });
    expect(stderr).toBe("tidemark: no samples of this selection in this range\n");
  });

  it("ends when its reader has seen enough", async () => {
    // Another day: the tests run side by side.
    await push(server(), "long", 1, Array<number>(100_000).fill(1), { timeMs: Date.UTC(2026, 1, 15) });
    const cli = new Cli(
      [
        "export",
        "samples",
        "--from",
        "2026-02-15T00:00:00Z",
        "--to",
        "2026-02-16T00:00:00Z",
        "--address",
        server().address,
      ],
      {
        command: ["sh", "-c", '"$0" cli/main.ts "$@" | head -n 3', process.execPath],
      },
    );
    const { stdout, code } = await cli.ended;
    expect([stdout.split("\n").length, code]).toEqual([4, 0]);
  });
});

describe("an export of samples that are not kept", () => {
  it("is refused, and names the flag", async () => {
    const { address } = await startServer();
    const refused = await tidemark(["export", "samples", "--address", address]);
    expect(refused).toMatchObject({ code: 1, stdout: "", stderr: expect.stringContaining("start it with --keep-raw") });
  });

  it("says since when samples are kept", async () => {
    const other = await startServer({}, { keepRaw: { durationMs: 1, bytesMax: unbounded } });
    await push(other, "press", 1, [1]);
    await other.restart();
    const { code, stdout, stderr } = await tidemark(["export", "samples", "--address", other.address]);
    expect({ code, stdout }).toEqual({ code: 0, stdout: "" });
    expect(stderr).toMatch(/what was received before 20\S+Z is not kept any more\n.*no samples/);
  });
});

describe("--keep-raw", () => {
  it("is a duration, a size, or one of each", () => {
    const f = (text: string, durationMs: number, bytesMax: number) => {
      expect(parseKeepRaw(text)).toEqual({ durationMs, bytesMax });
    };
    f("1h", 3_600_000, unbounded);
    f("1h30m", 5_400_000, unbounded);
    f("2GiB", unbounded, 2 * 1024 ** 3);
    f("500ms,100B", 500, 100);
    f("1.5MiB,1d", 86_400_000, 1.5 * 1024 ** 2);
    expect(parseKeepRaw("off")).toBeUndefined();
    for (const wrong of ["", "on", "1h,", "1GB", "-1h", "1h 2GiB", "1GiB,1h,2GiB"]) {
      expect(() => parseKeepRaw(wrong), wrong).toThrow("--keep-raw is");
    }
  });
});

describe("a selection", () => {
  it("takes a * at the end of a name as a prefix, and alone as all", () => {
    const f = (device: string[], deviceIds: string[], deviceIdPrefixes: string[]) => {
      const metric = device;
      expect(selectorOf({ device, metric })).toMatchObject({
        deviceIds,
        deviceIdPrefixes,
        metricNames: deviceIds,
        metricNamePrefixes: deviceIdPrefixes,
      });
    };
    f([], [], []);
    f(["press"], ["press"], []);
    f(["truck-*", "press", "a*b"], ["press", "a*b"], ["truck-"]);
    f(["truck-*", "*", "press"], [], []);
  });
});
