import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { temporaryDirectory } from "../system/support/cli.ts";

const traces = spawnSync("strace", ["-V"]).status === 0;
// biome-ignore lint/suspicious/noConsole: what was not tried must be said
if (!traces) console.warn("skipped: what is synced before what needs strace, which tells");

const script = fileURLToPath(new URL("release-segments.ts", import.meta.url));

/** A system call on a file: `write log`, `sync segment`, `rename to spare`. */
type Call = `${"write" | "sync" | "name"} ${"log" | "segment" | "spare" | "directory" | "other"}`;

/** What the script asks the system for in a directory, in order. */
function callsOf(dir: string): Call[] {
  const out = join(dir, "trace");
  const traced = "pwrite64,pwritev,writev,write,fsync,fdatasync,rename,openat";
  const command = ["-f", "-y", "-e", `trace=${traced}`, "-e", "signal=none", "-s", "0", "-o", out];
  const { status, stderr } = spawnSync("strace", [...command, process.execPath, script, join(dir, "data")]);
  expect(status, String(stderr)).toBe(0);
  return readFileSync(out, "utf8").split("\n").flatMap(callOf);
}

function callOf(line: string): Call[] {
  const [, name = "", rest = ""] = /^\d+ +(\w+)\((.*)$/.exec(line) ?? [];
  if (name === "rename") return [`name ${kindOf(/"([^"]*)"\)/.exec(rest)?.[1] ?? "")}`];
  if (name === "openat") return rest.includes("O_CREAT") ? [`name ${kindOf(/"([^"]*)"/.exec(rest)?.[1] ?? "")}`] : [];
  const kind = kindOf(/^\d+<([^>]*)>/.exec(rest)?.[1] ?? "");
  return [`${name.endsWith("sync") ? "sync" : "write"} ${kind}`];
}

function kindOf(file: string) {
  if (file.endsWith("-wal")) return "log";
  if (file.endsWith(".segment")) return "segment";
  if (file.endsWith(".spare")) return "spare";
  return basename(file).startsWith("journal-") ? "directory" : "other";
}

describe.runIf(traces)("what is on disk before what", () => {
  it("a group before its ack; the name of its file before it; what shows groups before they are deleted", async () => {
    const calls = callsOf(await temporaryDirectory());
    const isUnsynced = { log: false, segment: false, directory: false };
    let groups = 0;
    let released = 0;
    for (const call of calls) {
      if (call === "write log") isUnsynced.log = true;
      if (call === "sync log") isUnsynced.log = false;
      if (call === "sync directory") isUnsynced.directory = false;
      // A new file, or a spare.
      if (call === "name segment") isUnsynced.directory = true;
      if (call === "write segment") isUnsynced.segment = true;
      if (call === "sync segment") {
        expect(isUnsynced.directory).toBe(false);
        isUnsynced.segment = false;
        groups += 1;
      }
      if (call === "name spare") {
        expect(isUnsynced).toEqual({ log: false, segment: false, directory: false });
        released += 1;
      }
    }
    expect(isUnsynced.segment).toBe(false);
    expect(groups).toBe(81);
    expect(released).toBeGreaterThan(3);
  });

  it("what a start finds, before it goes on: it was written, but perhaps not synced", async () => {
    const dir = await temporaryDirectory();
    callsOf(dir);
    const again = callsOf(dir);
    const first = (call: Call) => again.indexOf(call);
    expect(first("sync segment")).toBeGreaterThanOrEqual(0);
    expect(first("sync segment")).toBeLessThan(first("write segment"));
    expect(first("sync log")).toBeGreaterThanOrEqual(0);
    expect(first("sync log")).toBeLessThan(first("write segment"));
  });
});
