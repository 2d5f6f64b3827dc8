import { spawnSync } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { describe, expect, it } from "vitest";
import { push } from "../support/query.ts";
import { serverOfFile } from "../support/server.ts";
import { Cli, mainFile, temporaryDirectory } from "../system/support/cli.ts";

const server = serverOfFile();

/** Python has pseudo terminals, Node has none. What is typed comes on standard input. */
const terminal = `
import os, pty, sys
code = pty.spawn(["sh", "-c", 'stty rows 40 cols 160; exec "$@"', "sh", *sys.argv[1:]])
sys.exit(os.waitstatus_to_exitcode(code))
`;
const hasTerminal = spawnSync("python3", ["-c", "import pty, os; os.waitstatus_to_exitcode(0)"]).status === 0;
const ctrlC = "\u0003";
const bold = "\u001b[1m";

function onTerminal(args: readonly string[], env: Readonly<Record<string, string>> = {}): Cli {
  const command = ["python3", "-c", terminal, process.execPath, mainFile];
  return new Cli(args, { command, env: { TERM: "xterm-256color", ...env } });
}

describe.runIf(hasTerminal).concurrent("on a terminal", () => {
  it.each<[string, Record<string, string>, boolean]>([
    ["in bold", {}, true],
    ["without colours when NO_COLOR is set", { NO_COLOR: "1" }, false],
  ])("watch shows the current windows in place, %s, until Ctrl-C", async (_, env, isBold) => {
    const device = isBold ? "bold-pump" : "plain-pump";
    const cli = onTerminal(["watch", "--address", server().address, "--device", device], env);
    // A little ahead: the window is still to come, or open, when the watch begins.
    await push(server(), device, 1, [4_321], { timeMs: Date.now() + 5_000 });
    await cli.line(new RegExp(`${device} +temperature .*4321`));
    cli.write(ctrlC);
    const { code, stdout } = await cli.ended;
    expect(code).toBe(0);
    expect(stdout.includes(bold)).toBe(isBold);
    // The heading and the row under it, not ndjson.
    expect(stripVTControlCharacters(stdout)).toMatch(/device +metric +window +state +count +mean +min +max +p99 +last/);
    expect(stdout).not.toContain('{"device"');
  });

  it("the demo shows a live view, and prints totals on Ctrl-C", async () => {
    const data = await temporaryDirectory();
    const cli = onTerminal([
      "demo",
      "--data",
      data,
      "--grpc",
      "127.0.0.1:0",
      "--http",
      "127.0.0.1:0",
      "--devices",
      "3",
      "--interval",
      "200ms",
    ]);
    await cli.line(/demo-0001 +temperature/);
    cli.write(ctrlC);
    const { code, stdout } = await cli.ended;
    const text = stripVTControlCharacters(stdout);
    expect(code).toBe(0);
    expect(text).toMatch(/3 devices {2}\d+ samples\/s {2}ack p50 [\d.]+ ms p99 [\d.]+ ms/);
    expect(text).toMatch(/sent (\d+), acked \1, counted \1\s*$/);
  });

  it("replay shows a progress bar", async () => {
    const file = join(await temporaryDirectory(), "slow.csv");
    await writeFile(file, "timestamp,a\n0,1\n1000,2\n");
    const cli = onTerminal(["replay", file, "--address", server().address, "--speed", "1x"]);
    const { code, stdout } = await cli.ended;
    expect(code).toBe(0);
    expect(stripVTControlCharacters(stdout)).toMatch(/100% {2}\d+\/\d+ bytes {2}\d+ samples acked/);
  });
});
