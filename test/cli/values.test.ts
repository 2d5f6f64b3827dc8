import { describe, expect, it } from "vitest";
import { serverOfFile } from "../support/server.ts";
import { temporaryDirectory, tidemark } from "../system/support/cli.ts";

const server = serverOfFile();

/** What is known only when the tests run. */
const places: Readonly<Record<string, () => string | Promise<string>>> = {
  HERE: () => server().address,
  DATA: temporaryDirectory,
};

/** Refused before anything is done: exit code 2, a message that has all of the words, and no results. */
async function refuses(args: readonly string[], ...words: readonly string[]): Promise<void> {
  const { code, stdout, stderr } = await tidemark(await Promise.all(args.map((arg) => places[arg]?.() ?? arg)));
  expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
  for (const word of words) expect(stderr).toContain(word);
  expect(stderr, "a bug's stack, not a message for people").not.toMatch(/^ {4}at /m);
}

/** Each line: arguments; flag, value and remedy, as the message has them. */
describe.concurrent("a value that is not valid is refused with flag, value and remedy:", () => {
  it.each<[string, string[], ...string[]]>([
    ["a whole number that is none", ["simulate", "--devices", "1.5"], "--devices", '"1.5"', "from 1 to 1000000"],
    ["a whole number below its bound", ["simulate", "--metrics", "0"], "--metrics", '"0"', "from 1 to 3000"],
    ["a whole number over its bound", ["replay", "x", "--batch-samples", "100001"], "--batch-samples", "1 to 100000"],
    ["a negative number", ["demo", "--devices=-3"], "--devices", '"-3"', "whole number from 1"],
    ["a duration without a unit", ["simulate", "--duration", "30"], "--duration", '"30"', "such as 250ms, 30s"],
    ["a duration of nothing", ["simulate", "--interval", "0s"], "--interval", '"0s"', "at least 1ms"],
    ["a time that is none", ["query", "--from", "yesterday"], "--from", '"yesterday"', "write RFC 3339"],
    ["a day that is not in the calendar", ["query", "--to", "2026-02-30T00:00:00Z"], "--to", "2026-02-30", "RFC 3339"],
    ["a relative time without a unit", ["simulate", "--start", "now-5"], "--start", '"5"', "such as 250ms, 30s"],
    ["a tier that is no duration", ["watch", "--tier", "hourly"], "--tier", '"hourly"', "such as 250ms, 30s"],
    ["a tier that the server lacks", ["query", "--address", "HERE", "--tier", "7s"], "tier", "7s", "10s, 1m, 1h, 1d"],
    ["a tier that is no whole time", ["query", "--address", "HERE", "--tier", "1.5ms"], "tier", "10s, 1m, 1h, 1d"],
    ["a speed", ["simulate", "--speed", "fast"], "--speed", '"fast"', "write realtime, max, or a factor such as 60x"],
    ["a retention without a duration", ["serve", "--retention", "10s"], "--retention", '"10s"', "TIER=DURATION"],
    ["a retention of no tier", ["serve", "--retention", "5s=1d"], "--retention", '"5s"', "10s,1m,1h,1d"],
    ["a retention that loses windows", ["serve", "--retention", "1m=1h"], "--retention", "1m for 1h", "2h30s at least"],
    ["raw samples kept for a bare number", ["serve", "--keep-raw", "3600"], "--keep-raw", '"3600"', "250ms, 30s"],
    [
      "raw samples kept for two durations",
      ["serve", "--keep-raw", "1h,2h"],
      "--keep-raw",
      '"1h,2h"',
      "such as 1h,2GiB",
    ],
    ["raw samples kept up to a size of nothing", ["demo", "--keep-raw", "1h,0GiB"], "--keep-raw", '"0GiB"', "such as"],
    ["a tier of samples", ["export", "samples", "--tier", "1m"], "--tier", "is for aggregates", "leave it out"],
    ["tiers that do not nest", ["serve", "--tiers", "10s,25s"], "--tiers", "25s after 10s", "each a multiple"],
    ["tiers out of order", ["serve", "--tiers", "1m,10s"], "--tiers", "10s after 1m", "finest first"],
    ["a tier too fine", ["serve", "--tiers", "100ms,1s"], "--tiers", "100ms", "1s to 7d"],
    ["a lateness", ["serve", "--lateness", "soon"], "--lateness", '"soon"', "such as 250ms, 30s"],
    ["a label without a value", ["query", "--where", "site"], "--where", '"site"', "LABEL=VALUE"],
    ["a quantile", ["query", "--quantile", "99"], "--quantile", '"99"', "from 0 to 1"],
    ["a retention that comes twice", ["demo", "--retention", "10s=1d,10s=2d"], "--retention", '"10s=2d"', "once per"],
    ["a retention's duration", ["serve", "--retention", "10s=soon"], "--retention", '"soon"', "such as 250ms, 30s"],
    ["an address without a port", ["query", "--address", "localhost"], "--address", '"localhost"', "HOST:PORT"],
    ["an address with a port over 65535", ["watch", "--address", "[::1]:65536"], "--address", "65536", "HOST:PORT"],
    ["one of several addresses", ["query", "--address", "[::1]:1,localhost"], "--address", '"localhost"', "HOST:PORT"],
    ["no address behind a comma", ["status", "--address", "localhost:1,"], "--address", '""', "HOST:PORT"],
    [
      "several addresses to send to",
      ["simulate", "--address", "a:1,b:2"],
      "--address",
      '"a:1,b:2"',
      "ingest and changes",
    ],
    [
      "several addresses to change",
      ["devices", "delete", "x", "--address", "a:1,b:2"],
      "--address",
      '"a:1,b:2"',
      "one",
    ],
    ["several addresses to copy", ["backup", "x", "--address", "a:1,b:2"], "--address", '"a:1,b:2"', "one store"],
    ["an address to serve at without a port", ["serve", "--data", "DATA", "--grpc", "any"], "--grpc", '"any"'],
    ["series per device", ["serve", "--device-series-max", "0"], "--device-series-max", '"0"', "from 1 to 65535"],
    ["no series per device", ["demo", "--device-series-max", "off"], "--device-series-max", '"off"', "from 1 to 65535"],
    ["series in all", ["serve", "--series-max", "many"], "--series-max", '"many"', "from 1 to 2147483647, or off"],
    ["a rate", ["demo", "--device-rate", "10k"], "--device-rate", '"10k"', "from 1 to 1000000000, or off"],
    ["a rate of nothing", ["serve", "--device-rate", "0"], "--device-rate", '"0"', "from 1 to", "or off"],
    ["a small window", ["serve", "--receive-window", "1KiB"], "--receive-window", '"1KiB"', "choose 64KiB to 64MiB"],
    ["a large window", ["serve", "--receive-window", "65MiB"], "--receive-window", '"65MiB"', "choose 64KiB to 64MiB"],
    ["a time ahead", ["serve", "--future-max", "10"], "--future-max", '"10"', "such as 250ms, 30s"],
    ["no time ahead", ["serve", "--future-max", "0s"], "--future-max", '"0s"', "at least 1ms"],
    ["a time too far ahead", ["demo", "--future-max", "366d"], "--future-max", '"366d"', "at most 1y"],
    ["a mode", ["simulate", "--mode", "carrier-pigeon"], "--mode", "'carrier-pigeon'", "stream, upload, push"],
    ["a format", ["query", "--format", "xml"], "--format", "'xml'", "table, ndjson, csv"],
    [
      "a range that ends before it begins",
      ["query", "--address", "HERE", "--from", "5000", "--to", "4000"],
      "to",
      "from",
    ],
  ])("%s", async (_, args, ...words) => {
    await refuses(args, ...words);
  });
});

describe.concurrent("refused with the name and a way to help:", () => {
  it.each<[string, string[], ...string[]]>([
    ["an unknown flag", ["serve", "--grcp", "x"], "unknown option '--grcp'", "--help tells more"],
    ["an unknown flag before the command", ["--data", "x", "serve"], "unknown option '--data'", "--help tells more"],
    ["an unknown command", ["sevre"], "unknown command 'sevre'", "--help tells more"],
    ["an argument too many", ["serve", "now"], "too many arguments", "now", "--help tells more"],
    ["a flag without its value", ["serve", "--data"], "--data <dir>", "argument missing", "--help tells more"],
    ["a missing file argument", ["replay"], "missing required argument 'file'", "--help tells more"],
    ["no command", [], "Usage: tidemark"],
  ])("%s", async (_, args, ...words) => {
    await refuses(args, ...words);
  });
});
