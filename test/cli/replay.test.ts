import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { serverOfFile } from "../support/server.ts";
import { Cli, temporaryDirectory, tidemark, until } from "../system/support/cli.ts";

const server = serverOfFile();
const replay = (...args: string[]) => tidemark(["replay", "--address", server().address, ...args]);

async function csvFile(name: string, ...lines: string[]): Promise<string> {
  const file = join(await temporaryDirectory(), name);
  await writeFile(file, `${lines.join("\n")}\n`);
  return file;
}

async function countedOf(device: string): Promise<number | undefined> {
  const { devices } = await server().query.listDevices({ pageSize: 1_000 });
  const found = devices.find(({ deviceId }) => deviceId === device);
  return found === undefined ? undefined : Number(found.samplesCounted);
}

describe.concurrent("replay", () => {
  it("sends each file as the device of its name, and says what became of it", async () => {
    const north = await csvFile("north.csv", "timestamp,a,b", "2013-12-02 21:15:00,1,2", "2013-12-02 21:20:00,,4");
    const south = await csvFile("south.v2.csv", "a,timestamp", "1,1386018900000");
    const { code, stdout, stderr } = await replay(north, south);
    expect({ code, stdout, stderr }).toEqual({
      code: 0,
      stdout: "2 files: 4 samples sent, 4 acked, 0 rejected, 0 bad lines skipped\n",
      stderr: "",
    });
    expect([await countedOf("north"), await countedOf("south.v2")]).toEqual([3, 1]);
  });

  it("tells a bad line with file, line and reason, counts and skips it, and has exit code 1", async () => {
    const file = await csvFile("bad.csv", "timestamp,a", "0,1", "yesterday,2", "2,3", "3,x", "4", "5,6");
    const { code, stdout, stderr } = await replay(file, "--json");
    expect(code).toBe(1);
    expect(stderr.trimEnd().split("\n")).toEqual([
      `tidemark: warning: ${file}:3: timestamp "yesterday" is none of YYYY-MM-DD HH:MM:SS, RFC 3339, epoch milliseconds; skipped`,
      `tidemark: warning: ${file}:5: a is "x", not a finite number; skipped`,
      `tidemark: warning: ${file}:6: 1 cells, the header has 2; skipped`,
    ]);
    expect(JSON.parse(stdout)).toEqual({
      files: 1,
      samplesSent: 3,
      samplesAcked: 3,
      samplesRejected: 0,
      badLines: 3,
    });
    expect(await countedOf("bad")).toBe(3);
  });

  it("counts all bad lines, and tells the first of many", async () => {
    const lines = Array.from({ length: 500 }, (_, i) => (i % 2 === 0 ? `${i},1` : "broken"));
    const { code, stdout, stderr } = await replay(await csvFile("many.csv", "timestamp,a", ...lines), "--json");
    expect({ code, summary: JSON.parse(stdout) }).toMatchObject({
      code: 1,
      summary: { badLines: 250, samplesAcked: 250 },
    });
    expect(stderr.split("\n").length).toBeLessThan(30);
  });

  it("says what the server refuses, counts the rest, and has exit code 1", async () => {
    const ahead = Date.now() + 3_600_000;
    const file = await csvFile("ahead.csv", "timestamp,a", "0,1", `${ahead},2`, "2,3");
    const { stdout, stderr } = await replay(file, "--json");
    expect(JSON.parse(stdout)).toMatchObject({ samplesSent: 3, samplesAcked: 2, samplesRejected: 1 });
    expect(stderr).toMatch(/samples were refused, first ahead: .*ahead/);
    expect(await countedOf("ahead")).toBe(2);
  });

  it("has exit code 1 when the server has refused a sample", async () => {
    const file = await csvFile("refused.csv", "timestamp,a", "0,1", `${Date.now() + 3_600_000},2`);
    expect((await replay(file)).code).toBe(1);
  });

  it("says which device the server refuses, sends the other files, and has exit code 1", async () => {
    const good = await csvFile("good.csv", "timestamp,a", "0,1");
    const folder = await temporaryDirectory();
    const long = join(folder, `${"x".repeat(240)}.csv`);
    await writeFile(long, `timestamp,${"m".repeat(300)}\n0,1\n`);
    const { code, stderr } = await replay(good, long);
    expect(code).toBe(1);
    expect(stderr).toMatch(/x{20,} was refused: .*the limit is 256/);
    expect(await countedOf("good")).toBe(1);
  });

  it("paces a recording as it is told", async () => {
    const startedMs = performance.now();
    const { code } = await replay(await csvFile("paced.csv", "timestamp,a", "0,1", "60000,2"), "--speed", "60x");
    expect(code).toBe(0);
    expect(performance.now() - startedMs).toBeGreaterThan(1_000);
    expect(await countedOf("paced")).toBe(2);
  });

  it("stops on SIGINT with what was due sent and acked, and has exit code 1", async () => {
    const file = await csvFile("interrupted.csv", "timestamp,a", "0,1", "3600000,2");
    const cli = new Cli(["replay", "--address", server().address, file, "--speed", "realtime", "--json"]);
    await until(async () => (await countedOf("interrupted")) === 1);
    cli.signal("SIGINT");
    const { code, stdout } = await cli.ended;
    expect({ code, summary: JSON.parse(stdout) }).toMatchObject({ code: 1, summary: { samplesAcked: 1 } });
  });
});

describe.concurrent("replay refuses, before it sends anything,", () => {
  it("two files that would be one device", async () => {
    const [first, second] = [
      await csvFile("twice.csv", "timestamp,a", "0,1"),
      await csvFile("twice.txt", "timestamp,a"),
    ];
    const { code, stdout, stderr } = await replay(first, second);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toContain(`${second} and ${first} would both be device twice`);
    expect(await countedOf("twice")).toBeUndefined();
  });

  it("a file without a timestamp column, and the files before it", async () => {
    const fine = await csvFile("fine.csv", "timestamp,a", "0,1");
    const odd = await csvFile("odd.csv", "time,a", "0,1");
    const { code, stdout, stderr } = await replay(fine, odd);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toContain(`${odd} has the columns time, a; one of them must be named timestamp`);
    expect(await countedOf("fine")).toBeUndefined();
  });

  it("a file that is not there, and a directory", async () => {
    const folder = join(await temporaryDirectory(), "folder.csv");
    await mkdir(folder);
    for (const path of ["/nowhere/x.csv", folder]) {
      const { code, stdout, stderr } = await replay(path);
      expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
      expect(stderr).toContain(path);
    }
  });
});
