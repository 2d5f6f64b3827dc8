import { expect, it } from "vitest";
import { push } from "../support/query.ts";
import { serverOfFile } from "../support/server.ts";
import { tidemark } from "../system/support/cli.ts";

const server = serverOfFile();

it("reset lets a spool that was superseded take its device over again", async () => {
  await push(server(), "pump", 1, [1], { spool: 1 });
  await push(server(), "pump", 1, [2], { spool: 2 });
  await expect(push(server(), "pump", 2, [3], { spool: 1 })).rejects.toMatchObject({ reason: "SUPERSEDED" });
  const { code, stdout } = await tidemark(["reset", "pump", "--address", server().address]);
  expect({ code, stdout }).toEqual({ code: 0, stdout: "pump: the next spool that registers takes over\n" });
  await push(server(), "pump", 2, [3], { spool: 1 });
});

it("reset of an unknown device has exit code 1, and names it", async () => {
  const { code, stdout, stderr } = await tidemark(["reset", "nobody", "--address", server().address]);
  expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
  expect(stderr).toContain('no device "nobody"');
});
