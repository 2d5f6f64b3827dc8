import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { openCsv } from "../../device-sim/csv.ts";
import { TelemetryError } from "../../lib/base/errors.ts";
import { metricsPerRegistrationMax } from "../../lib/base/limits.ts";
import { collect } from "../support/rpc.ts";

async function fileOf(text: string | Uint8Array, name = "boiler.csv"): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "tidemark-csv-"));
  onTestFinished(() => rm(directory, { recursive: true }));
  const file = join(directory, name);
  await writeFile(file, text);
  return file;
}

/** Rows as `time value value`, bad lines as `line: reason`. */
async function read(text: string | Uint8Array) {
  const file = await fileOf(text);
  const bad: { file: string; line: number; reason: string }[] = [];
  const csv = await openCsv(file, (line) => bad.push(line));
  const rows: string[] = [];
  for await (const { timeMs, values } of csv.rows) rows.push([timeMs, ...values].join(" "));
  expect(bad.filter((line) => line.file !== file)).toEqual([]);
  return { metrics: csv.metrics, rows, bad: bad.map(({ line, reason }) => `${line}: ${reason}`) };
}

/** One metric `a`; the header is line 1. */
const readLines = (...lines: string[]) => read(["timestamp,a", ...lines, ""].join("\n"));

async function refusalOf(file: string): Promise<TelemetryError> {
  const error = await openCsv(file, () => {}).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(TelemetryError);
  return error as TelemetryError;
}

describe("a CSV file", () => {
  it("gives its device, its metrics, its size, and its rows in their order", async () => {
    const text = "timestamp,a,b\n2020-01-01 00:00:00,1,2\n2020-01-01T00:00:01+00:00,3.5,-4e2\n1577836799000,5,6\n";
    const file = await fileOf(text, "pump 7.v2.csv");
    const csv = await openCsv(file, () => expect.unreachable());
    expect({ device: csv.deviceId, metrics: csv.metrics, bytes: csv.bytes }).toEqual({
      device: "pump 7.v2",
      metrics: ["a", "b"],
      bytes: text.length,
    });
    const rows = await collect(csv.rows);
    expect(rows.map(({ timeMs, values }) => [timeMs, ...values])).toEqual([
      [1577836800000, 1, 2],
      [1577836801000, 3.5, -400],
      [1577836799000, 5, 6],
    ]);
    expect(rows.at(-1)?.bytes).toBe(text.length);
  });

  it("may begin with a byte order mark", async () => {
    expect(await read("\ufefftimestamp,a\n0,1\n")).toEqual({ metrics: ["a"], rows: ["0 1"], bad: [] });
  });

  it("may have its timestamp in any column, in any case", async () => {
    expect(await read("a,Timestamp,b\n1,5000,2\n")).toEqual({ metrics: ["a", "b"], rows: ["5000 1 2"], bad: [] });
  });

  it("may have quoted cells, with commas and quotes within", async () => {
    expect(await read('timestamp,"flow, ""gross""",b\n"0","1",2\n')).toEqual({
      metrics: ['flow, "gross"', "b"],
      rows: ["0 1 2"],
      bad: [],
    });
  });

  it("may have lines that end in CR LF, the last one without an ending", async () => {
    expect((await read("timestamp,a\r\n0,1\r\n1,2")).rows).toEqual(["0 1", "1 2"]);
  });

  it("may have blanks around cells, and empty lines", async () => {
    expect(await readLines(" 0 , 1 ", "", "1,2", "")).toMatchObject({ rows: ["0 1", "1 2"], bad: [] });
  });

  it("has no sample where a cell is empty or NaN", async () => {
    const { rows, bad } = await read("timestamp,a,b\n0,,2\n1,1,\n2,NaN,nan\n");
    expect(rows).toEqual(["0 NaN 2", "1 1 NaN", "2 NaN NaN"]);
    expect(bad).toEqual([]);
  });

  it("may be of any year, in any order, with times that repeat", async () => {
    const { rows } = await readLines("2013-12-02 21:15:00,1", "0001-01-01 00:00:00,2", "2013-12-02 21:15:00,3");
    expect(rows).toEqual(["1386018900000 1", "-62135596800000 2", "1386018900000 3"]);
  });

  it.each(["1", "-1.5", "+4", ".5", "5.", "1e3", "1E-3", "007"])("may have the number %s", async (text) => {
    expect((await readLines(`0,${text}`)).rows).toEqual([`0 ${Number(text)}`]);
  });

  it("may have no lines but its header", async () => {
    expect(await readLines()).toEqual({ metrics: ["a"], rows: [], bad: [] });
  });
});

describe("a bad line", () => {
  it.each(["", "yesterday", "2020-02-30 00:00:00", "2020-01-01", "01/02/2020 00:00", "12345.5", "1e12"])(
    "with the timestamp %j is told and skipped",
    async (timestamp) => {
      const { rows, bad } = await readLines("0,1", `${timestamp},2`, "2,3");
      expect(rows).toEqual(["0 1", "2 3"]);
      expect(bad).toEqual([
        `3: timestamp ${JSON.stringify(timestamp)} is none of YYYY-MM-DD HH:MM:SS, RFC 3339, epoch milliseconds`,
      ]);
    },
  );

  it.each(["x", "1.2.3", "Infinity", "-inf", "1e999", "0x10", "1_000", "12 kW", "--1", "true"])(
    "with the number %j is told and skipped",
    async (number) => {
      const { rows, bad } = await readLines("0,1", `1,${number}`, "2,3");
      expect(rows).toEqual(["0 1", "2 3"]);
      expect(bad).toEqual([`3: a is ${JSON.stringify(number)}, not a finite number`]);
    },
  );

  it("with a cell too few or too many is told and skipped", async () => {
    const { rows, bad } = await readLines("0", "1,2", "2,3,4", "3,4");
    expect(rows).toEqual(["1 2", "3 4"]);
    expect(bad).toEqual(["2: 1 cells, the header has 2", "4: 3 cells, the header has 2"]);
  });

  it("is told with its own line after empty lines and CR LF", async () => {
    const { bad } = await read("timestamp,a\r\n\r\n0,1\r\n\r\nbad,2\r\n");
    expect(bad).toEqual([expect.stringMatching(/^5: timestamp "bad"/)]);
  });

  it("of bytes that are no text is told and skipped", async () => {
    const { rows, bad } = await read(Buffer.from("timestamp,a\n0,\xff\xfe\x00\n1,2\n", "latin1"));
    expect(rows).toEqual(["1 2"]);
    expect(bad).toEqual([expect.stringMatching(/^2: a is .*not a finite number$/)]);
  });

  it("with a quote in the middle of a cell is told and skipped", async () => {
    const { rows, bad } = await readLines("0,1", '1,2"x', "2,3");
    expect(rows).toEqual(["0 1", "2 3"]);
    expect(bad).toEqual([expect.stringMatching(/^3: /)]);
  });

  it("with text after a quoted cell takes no other line with it", async () => {
    const { rows, bad } = await readLines("0,1", '1,"2"x', "2,3", "3,4");
    expect(rows).toEqual(["0 1", "2 3", "3 4"]);
    expect(bad).toEqual([expect.stringMatching(/^3: /)]);
  });

  it("with a quote that is never closed takes no other line with it", async () => {
    const { rows, bad } = await readLines("0,1", '1,"2', "2,3", "3,4");
    expect(rows).toEqual(["0 1", "2 3", "3 4"]);
    expect(bad).toEqual([expect.stringMatching(/^3: /)]);
  });
});

describe("a file that cannot be used is refused", () => {
  it.each([
    ["that is empty", "", "is empty; its first line names the columns"],
    ["of empty lines only", "\n\n\n", "is empty; its first line names the columns"],
    ["without a timestamp column", "time,a\n0,1\n", "has the columns time, a; one of them must be named timestamp"],
    ["with other separators", "timestamp;a\n0;1\n", "has the columns timestamp;a; one of them must be named timestamp"],
    ["with the timestamp only", "timestamp\n0\n", "has no column but timestamp; add one column per metric"],
    ["with a column twice", "timestamp,a,b,a\n0,1,2,3\n", 'has the column "a" twice; name each column once'],
    ["with a column without a name", "timestamp,a,\n0,1,2\n", 'has the column ""'],
  ])("%s", async (_, text, problem) => {
    const file = await fileOf(text);
    const { status, reason, message } = await refusalOf(file);
    expect({ status, reason }).toEqual({ status: "INVALID_ARGUMENT", reason: "UNUSABLE_FILE" });
    expect(message).toContain(`${file} ${problem}`);
  });

  it.each(["timestamp,a,timestamp\n0,1,2\n", "timestamp,a,TIMESTAMP\n0,1,2\n"])(
    "with two timestamp columns: %j",
    async (text) => {
      expect((await refusalOf(await fileOf(text))).message).toMatch(/timestamp/i);
    },
  );

  it("with more metrics than a device may have", async () => {
    const names = Array.from({ length: metricsPerRegistrationMax + 1 }, (_, i) => `m${i}`);
    const { message } = await refusalOf(await fileOf(`timestamp,${names}\n`));
    expect(message).toContain(
      `has ${names.length} metrics, the limit is ${metricsPerRegistrationMax}; split it by columns`,
    );
  });

  it("with a header that is not CSV, for that reason", async () => {
    const { message } = await refusalOf(await fileOf('timestamp,"a"x\n0,1\n1,2\n'));
    expect(message).toMatch(/quote/i);
  });

  it("that is not there", async () => {
    const file = join(await mkdtemp(join(tmpdir(), "tidemark-csv-")), "none.csv");
    onTestFinished(() => rm(join(file, ".."), { recursive: true }));
    expect((await refusalOf(file)).message).toMatch(`${file} cannot be read: ENOENT`);
  });

  it("that is a directory", async () => {
    const directory = join(await fileOf(""), "..");
    expect((await refusalOf(directory)).message).toContain(directory);
  });
});
