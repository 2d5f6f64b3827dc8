import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { readResults } from "../../bench/report/results-file.ts";
import { Cli, temporaryDirectory } from "../system/support/cli.ts";

it("a benchmark that is ended early says so, keeps what it has, and leaves nothing behind", async () => {
  const [out, scratch] = [await temporaryDirectory(), await temporaryDirectory()];
  const effort = ["--rounds", "2", "--measure", "100ms", "--json"];
  const bench = new Cli(["bench", "--scenario", "headline", ...effort, "--out", out], { env: { TMPDIR: scratch } });
  // The second trial has begun.
  await bench.line(/2 of \d+: headline/, "stderr");
  bench.signal("SIGINT");
  const { code } = await bench.ended;
  expect(code).toBe(1);
  const results = readResults(join(out, "results.json"));
  expect(results.set).toBe("headline, ended early");
  expect(results.trials).toHaveLength(1);
  expect(await readdir(scratch)).toEqual([]);
});
