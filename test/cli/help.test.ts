import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { exitCode } from "../../cli/exit.ts";
import { checkout, tidemark } from "../system/support/cli.ts";

const commands = ["demo", "serve", "simulate", "replay", "load", "query", "export", "watch"];

const ofDevices = ["list", "get", "create", "update", "delete", "watch"].map((name) => `devices ${name}`);

describe.concurrent("--help", () => {
  it("of the program names every command, the order of settings, and every exit code", async () => {
    const { code, stdout, stderr } = await tidemark(["--help"]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    for (const command of commands) expect(stdout).toMatch(new RegExp(`^ {2}${command} `, "m"));
    for (const each of Object.values(exitCode)) expect(stdout).toMatch(new RegExp(`^ {2}${each} {2}\\w`, "m"));
    expect(stdout).toMatch(/flags come first, then the environment, then the file/);
    expect(stdout).toMatch(/^Examples:\n {2}\$ tidemark /m);
  });

  it.each([...commands, "metrics", ...ofDevices, "bench run", "bench compare"])(
    "of %s has examples, and its flags with their variables",
    async (command) => {
      const { code, stdout, stderr } = await tidemark([...command.split(" "), "--help"]);
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
      expect(stdout).toMatch(/^Usage: tidemark [\w ]+ /);
      const flags = [...stdout.matchAll(/^ {2}--([\w-]+)/gm)].map(([, name]) => name);
      expect(flags.length).toBeGreaterThan(0);
      const oneLine = stdout.replaceAll(/\s+/g, " ");
      for (const flag of flags) expect(oneLine).toContain(`env: TIDEMARK_${flag.toUpperCase().replaceAll("-", "_")}`);
      expect(stdout).toMatch(/^Examples:\n {2}\$ tidemark /m);
    },
  );
});

describe("--version", () => {
  it("is that of the package", async () => {
    const { version } = JSON.parse(readFileSync(join(checkout, "package.json"), "utf8")) as { version: string };
    expect(await tidemark(["--version"])).toEqual({ code: 0, stdout: `${version}\n`, stderr: "" });
  });
});
