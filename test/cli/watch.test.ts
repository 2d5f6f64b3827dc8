import { beforeAll, describe, expect, it } from "vitest";
import { push } from "../support/query.ts";
import { serverOfFile } from "../support/server.ts";
import { Cli, jsonLines, tidemark } from "../system/support/cli.ts";

const server = serverOfFile();
/** A little ahead, so that the window is still to come, or open, when a watch begins. */
const soon = () => ({ timeMs: Date.now() + 5_000 });

interface Row {
  readonly device: string;
  readonly metric: string;
  readonly tier: string;
  readonly count: number;
  readonly last: number;
}

beforeAll(async () => {
  for (const device of ["pump", "fan", "other"]) await push(server(), device, 1, [1], { timeMs: Date.UTC(2026, 0, 1) });
});

/** A watch that is sure to see what comes next: it has shown a sample. */
async function watching(device: string, sequence: number, ...flags: string[]): Promise<Cli> {
  const cli = new Cli(["watch", "--address", server().address, ...flags]);
  await push(server(), device, sequence, [0], soon());
  await cli.line(new RegExp(`"device":"${device}"`));
  return cli;
}

async function end(cli: Cli): Promise<Row[]> {
  cli.signal("SIGINT");
  const { code, stdout, stderr } = await cli.ended;
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  return jsonLines<Row>(stdout);
}

describe.concurrent("watch without a terminal", () => {
  it("prints each change as a line of JSON within about a second, and ends with 0 on SIGINT", async () => {
    const cli = await watching("pump", 2);
    const delaysMs: number[] = [];
    for (const sequence of [3, 4, 5]) {
      const pushedMs = performance.now();
      await push(server(), "pump", sequence, [sequence * 1_000], soon());
      await cli.line(new RegExp(`"last":${sequence * 1_000}[,}]`));
      delaysMs.push(performance.now() - pushedMs);
    }
    const rows = (await end(cli)).filter(({ device }) => device === "pump");
    // The middle one of three: a busy machine may hold one up.
    expect(delaysMs.sort((a, b) => a - b)[1]).toBeLessThan(1_000);
    expect(Object.keys(rows[0])).toEqual([
      ...["device", "metric", "tier", "windowStart", "state", "count", "sum", "min", "max", "first", "last", "mean"],
      ...["stddev", "p50", "p95", "p99", "increase", "ratePerSecond", "approximate"],
    ]);
    expect(rows.at(-1)).toMatchObject({ device: "pump", metric: "temperature", tier: "10s", last: 5_000 });
  });

  it("shows only what is asked for, in the tier that is asked for", async () => {
    const cli = await watching("fan", 2, "--device", "fan", "--metric", "temperature", "--tier", "1h");
    await push(server(), "other", 2, [6], soon());
    await push(server(), "fan", 3, [7_000], soon());
    await cli.line(/"last":7000/);
    const rows = await end(cli);
    const shown = new Set(rows.map(({ device, metric, tier }) => `${device} ${metric} ${tier}`));
    expect([...shown]).toEqual(["fan temperature 1h"]);
  });

  it("shows a device that comes after it has begun", async () => {
    const cli = await watching("early", 1);
    await push(server(), "late", 1, [8_000], soon());
    expect(JSON.parse(await cli.line(/"device":"late"/))).toMatchObject({
      metric: "temperature",
      last: 8_000,
      count: 1,
    });
    await end(cli);
  });

  it("refuses a tier that the server lacks, with exit code 2", async () => {
    const { code, stdout, stderr } = await tidemark(["watch", "--address", server().address, "--tier", "7s"]);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toContain("choose one of 10s, 1m, 1h, 1d");
  });
});
