import { beforeAll, describe, expect, it } from "vitest";
import { simulate } from "../../cli/simulation.ts";
import { serverOfFile } from "../support/server.ts";
import { jsonLines, mainFile, tidemark } from "../system/support/cli.ts";

const server = serverOfFile();
const never = new AbortController().signal;
const start = Date.UTC(2026, 0, 15);
const otherStart = Date.UTC(2026, 1, 15);
/** Three devices with four metrics, ten readings 10 s apart: 120 windows of 10 s. */
const devices = 3;
const metrics = 4;
const readings = 10;
const day = ["--from", "2026-01-15T00:00:00Z", "--to", "2026-01-16T00:00:00Z"];
/** For what a test adds: the tests run side by side. */
const otherDay = ["--from", "2026-02-15T00:00:00Z", "--to", "2026-02-16T00:00:00Z"];

const groupDay = ["--from", "2026-03-15T00:00:00Z", "--to", "2026-03-16T00:00:00Z"];
const rateDay = ["--from", "2026-04-15T00:00:00Z", "--to", "2026-04-16T00:00:00Z"];
const rateStart = Date.UTC(2026, 3, 15);

interface Counted {
  readonly device: string;
  readonly nothing: string;
  readonly windowStart: string;
  readonly first: number;
  readonly last: number;
  readonly increase: number;
  readonly ratePerSecond: number;
}

const keys = [
  ...["device", "metric", "tier", "windowStart", "state", "count", "sum", "min", "max", "first", "last", "mean"],
  ...["stddev", "p50", "p90", "p95", "p99", "increase", "ratePerSecond", "approximate"],
];

beforeAll(() => fill("sim-", readings));

function fill(idPrefix: string, batches: number, startMs = start, size = { devices, metrics }) {
  const options = { ...size, batches, idPrefix, start: startMs, interval: 10_000, seed: 1, connections: 1 };
  const { address } = server();
  return simulate({ ...options, address, mode: "stream", speed: Number.POSITIVE_INFINITY, integers: true }, never);
}

/** A fleet of 24 with counters, ten readings 10 s apart, and its labels. */
async function labelled(idPrefix: string, startMs = Date.UTC(2026, 2, 15)) {
  await fill(idPrefix, readings, startMs, { devices: 24, metrics: 7 });
  const { devices: listed } = await server().query.listDevices({ pageSize: 1_000 });
  return listed.filter(({ deviceId }) => deviceId.startsWith(idPrefix));
}

const query = (...args: string[]) => tidemark(["query", "--address", server().address, ...args]);

describe.concurrent("query", () => {
  it("writes one object per window with --format ndjson, and nothing else", async () => {
    const { code, stdout, stderr } = await query(...day, "--tier", "10s", "--format", "ndjson");
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const rows = jsonLines(stdout);
    expect(rows).toHaveLength(devices * metrics * readings);
    for (const row of rows) expect(Object.keys(row)).toEqual(keys);
    const [first] = rows.filter(({ device }) => device === "sim-0002");
    expect(first).toMatchObject({ metric: "temperature", tier: "10s", windowStart: "2026-01-15T00:00:00Z", count: 1 });
    expect(first["mean"]).toBe(first["sum"]);
    const distinct = new Set(rows.map(({ device, metric, windowStart }) => `${device} ${metric} ${windowStart}`));
    expect(distinct.size).toBe(rows.length);
  });

  it("writes the same rows in all formats", async () => {
    const [ndjson, csv, table, json] = await Promise.all(
      [["--format", "ndjson"], ["--format", "csv"], ["--format", "table"], ["--json"]].map((format) =>
        // Only windows that the watermark has passed: the last ones become final between one query and the next.
        query("--from", "2026-01-15T00:00:00Z", "--to", "2026-01-15T00:01:00Z", "--metric", "humidity", ...format),
      ),
    );
    expect(json.stdout).toBe(ndjson.stdout);
    const rows = jsonLines(ndjson.stdout).map((row) => keys.map((key) => String(row[key] ?? "")));
    const [csvHead, ...csvRows] = csv.stdout.trimEnd().split("\n");
    expect(csvHead).toBe(keys.join(","));
    expect(csvRows.map((line) => line.split(","))).toEqual(rows);
    // Humidity is a gauge: a table leaves out the columns of counters.
    const shown = keys.slice(0, -3);
    const [tableHead, ...tableRows] = table.stdout.trimEnd().split("\n");
    expect(tableHead.split(/ +/)).toEqual(shown);
    // Those from the mean on are rounded.
    const exact = keys.indexOf("mean");
    expect(tableRows.map((line) => line.split(/ {2,}/).slice(0, exact))).toEqual(
      rows.map((row) => row.slice(0, exact)),
    );
    expect([ndjson.stderr, csv.stderr]).toEqual(["", ""]);
    expect(table.stderr).toMatch(/^tidemark: 10s windows, complete until 2026-01-15T\S+\n$/);
  });

  it("lines up the columns of a table", async () => {
    const { stdout } = await query(...day, "--tier", "10s", "--device", "sim-0001");
    const [head, ...rows] = stdout.trimEnd().split("\n");
    const at = head.indexOf("windowStart");
    expect(rows.map((row) => row.slice(at, at + 8))).toEqual(rows.map(() => "2026-01-"));
  });

  it("selects by names that repeat, and by * for all", async () => {
    const names = ["--device", "sim-0001", "--device", "sim-0003", "--metric", "humidity", "--metric", "pressure"];
    const some = jsonLines((await query(...day, "--tier", "1d", "--json", ...names)).stdout);
    expect(some.map(({ device, metric }) => `${device} ${metric}`).sort()).toEqual([
      "sim-0001 humidity",
      "sim-0001 pressure",
      "sim-0003 humidity",
      "sim-0003 pressure",
    ]);
    const all = jsonLines((await query(...day, "--tier", "1d", "--json", "--device", "*", "--metric", "*")).stdout);
    expect(all).toHaveLength(devices * metrics);
  });

  it.each<[string, string[]]>([
    ["when it is told none", []],
    ["with --tier auto", ["--tier", "auto"]],
  ])("chooses a tier by itself %s", async (_, flags) => {
    const tiersOf = async (...range: string[]) => {
      const { code, stdout, stderr } = await query(...range, ...flags, "--json");
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
      return [...new Set(jsonLines(stdout).map(({ tier }) => tier))];
    };
    expect(await tiersOf("--from", "2026-01-15T00:00:00Z", "--to", "2026-01-15T00:05:00Z")).toEqual(["10s"]);
    expect(await tiersOf("--from", "2020-01-01T00:00:00Z")).toEqual(["1d"]);
  });

  it("takes times as RFC 3339 with a zone, epoch milliseconds, and relative to now", async () => {
    const forms = [
      ["--from", "2026-01-15T01:00:00+01:00", "--to", "2026-01-15T00:00:10Z"],
      ["--from", String(start), "--to", String(start + 10_000)],
    ];
    for (const range of forms) {
      const { stdout } = await query(...range, "--tier", "10s", "--json");
      expect(jsonLines(stdout)).toHaveLength(devices * metrics);
    }
    const { code, stdout, stderr } = await query("--from", "now-1h30m", "--to", "now");
    expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: "", stderr: "tidemark: no windows in this range\n" });
  });

  it("says which device is not known", async () => {
    const { code, stdout, stderr } = await query(...day, "--device", "sim-0001", "--device", "nobody");
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toContain('no device "nobody"');
  });

  it("has exit code 3 when nobody answers", async () => {
    const { code, stdout, stderr } = await tidemark(["query", "--address", "127.0.0.1:1"]);
    expect({ code, stdout }).toEqual({ code: 3, stdout: "" });
    expect(stderr).toContain("no server answers at 127.0.0.1:1");
    expect(stderr).toContain('start one with "tidemark serve", name another with --address');
  });

  it("sees everything that was acked before it", async () => {
    for (const round of [1, 2, 3]) {
      const { samplesAcked } = await fill(`round${round}-`, 7, otherStart);
      const names = [1, 2, 3].flatMap((i) => ["--device", `round${round}-000${i}`]);
      const counts = await Promise.all(
        ["10s", "1d"].map(async (tier) => {
          const rows = jsonLines<{ count: number }>(
            (await query(...otherDay, ...names, "--tier", tier, "--json")).stdout,
          );
          return rows.reduce((sum, { count }) => sum + count, 0);
        }),
      );
      expect(counts).toEqual([samplesAcked, samplesAcked]);
    }
  });

  it("merges the devices of a label's value with --group-by, of those that --where chooses", async () => {
    const fleet = await labelled("group-");
    const models = new Set(fleet.map(({ labels }) => labels["model"]));
    expect(models.size).toBeGreaterThan(1);
    const chosen = fleet.filter(({ labels }) => labels["model"] === "x200");
    const sites = [...new Set(chosen.map(({ labels }) => labels["site"]))].sort();
    expect(sites.length).toBeGreaterThan(1);
    const args = [...groupDay, "--tier", "1m", "--group-by", "site", "--where", "model=x200", "--metric", "energy"];
    const [ndjson, csv, table] = await Promise.all(
      ["ndjson", "csv", "table"].map((format) => query(...args, "--format", format)),
    );
    expect([ndjson, csv].map(({ code, stderr }) => `${code}${stderr}`)).toEqual(["0", "0"]);
    expect(`${table.code}${table.stderr}`).toMatch(/^0tidemark: 1m windows, complete until \S+\n$/);
    const columns = ["site", ...keys.slice(1)];
    const rows = jsonLines(ndjson.stdout);
    for (const row of rows) expect(Object.keys(row)).toEqual(columns);
    // Ten readings 10 s apart: two minutes, all of each device.
    expect(rows.map(({ site, windowStart, count }) => `${site} ${windowStart} ${count}`).sort()).toEqual(
      sites.flatMap((site) => {
        const members = chosen.filter(({ labels }) => labels["site"] === site).length;
        return [`${site} 2026-03-15T00:00:00Z ${6 * members}`, `${site} 2026-03-15T00:01:00Z ${4 * members}`];
      }),
    );
    const [csvHead, ...csvRows] = csv.stdout.trimEnd().split("\n");
    expect(csvHead).toBe(columns.join(","));
    expect(csvRows.map((line) => line.split(","))).toEqual(
      rows.map((row) => columns.map((key) => `${row[key] ?? ""}`)),
    );
    // Nothing is estimated: that column is left out.
    expect(table.stdout.split("\n")[0]?.split(/ +/)).toEqual(columns.slice(0, -1));
  });

  it("shows of a counter, and of counters together, how much they grew and how fast", async () => {
    const fleet = await labelled("rate-", rateStart);
    const deviceFlags = fleet.flatMap(({ deviceId }) => ["--device", deviceId]);
    const args = [...rateDay, ...deviceFlags, "--tier", "1m", "--metric", "energy", "--json"];
    const [each, all] = await Promise.all([query(...args), query(...args, "--group-by", "nothing")]);
    const rows = jsonLines<Counted>(each.stdout);
    const startsOf = (of: readonly Counted[]) => [...new Set(of.map(({ windowStart }) => windowStart))];
    const [firstMinute, secondMinute] = startsOf(rows);
    for (const { device, windowStart, first, last, increase, ratePerSecond } of rows) {
      const isFirst = windowStart === firstMinute;
      const seconds = isFirst ? 50 : 40;
      const before = rows.find((row) => row.device === device && row.windowStart === firstMinute);
      // From the last reading of the minute before.
      expect(increase).toBe(last - (isFirst ? first : (before?.last ?? 0)));
      expect(ratePerSecond).toBeCloseTo(increase / seconds, 9);
    }
    expect(startsOf(jsonLines<Counted>(all.stdout))).toEqual([firstMinute, secondMinute]);
    for (const { windowStart, increase, nothing } of jsonLines<Counted>(all.stdout)) {
      expect(nothing).toBe("");
      const of = rows.filter((row) => row.windowStart === windowStart);
      expect(increase).toBe(of.reduce((sum, row) => sum + row.increase, 0));
    }
  });

  it("ends quietly when its reader has seen enough", async () => {
    // More than a pipe holds.
    await fill("long-", 200, otherStart);
    const script = '(set -o pipefail; "$@" | head -1); echo $? >&2';
    const command = ["bash", "-c", script, "bash", process.execPath, mainFile];
    const args = ["query", "--address", server().address, ...otherDay, "--tier", "10s", "--format", "ndjson"];
    const { stdout, stderr } = await tidemark(args, { command });
    expect(jsonLines(stdout)).toHaveLength(1);
    expect(stderr).toBe("0\n");
  });

  it("shows what --aggregate chooses, and nothing else of a window", async () => {
    const args = ["--device", "sim-0001", "--metric", "temperature", ...day, "--tier", "10s", "--format", "ndjson"];
    const always = ["device", "metric", "tier", "windowStart", "state"];
    const all = jsonLines((await query(...args)).stdout);
    const f = async (chosen: string[], columns: string[]) => {
      const { stdout, stderr } = await query(...args, ...chosen.flatMap((name) => ["--aggregate", name]));
      expect(stderr).toBe("");
      const rows = jsonLines(stdout);
      const wanted = all.map((row) => Object.fromEntries([...always, ...columns].map((name) => [name, row[name]])));
      expect(rows).toEqual(wanted);
    };
    await f(["mean"], ["mean"]);
    await f(["max", "min", "count"], ["count", "min", "max"]);
    await f(["first", "last", "sum", "stddev"], ["sum", "first", "last", "stddev"]);
    await f(["increase"], ["increase", "ratePerSecond", "approximate"]);
    const wrong = await query("--aggregate", "median");
    expect(wrong.code).toBe(2);
    expect(wrong.stderr).toContain('--aggregate is "median"; choose one of count, sum, mean');
  });

  it("chooses the tier by --points", async () => {
    const hour = ["--from", "2026-01-15T00:00:00Z", "--to", "2026-01-15T01:00:00Z", "--format", "ndjson"];
    const f = async (points: number, tier: string) => {
      const [row] = jsonLines((await query(...hour, "--points", String(points))).stdout);
      expect(row).toMatchObject({ tier });
    };
    await f(360, "10s");
    await f(359, "1m");
    await f(1, "1h");
  });
});
