import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { asRegistration, gap, registration } from "../support/batches.ts";
import { push } from "../support/query.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { Cli, temporaryDirectory, tidemark } from "../system/support/cli.ts";

const run = (server: TestServer, ...args: string[]) => tidemark([...args, "--address", server.address]);

it("devices creates, updates, lists, tells and deletes them, for people and for programs", async () => {
  const server = await startServer();
  const ok = async (...args: string[]) => {
    const { code, stdout, stderr } = await run(server, "devices", ...args);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    return stdout;
  };
  expect(await ok("create", "truck-1", "--label", "site=north", "--description", "the blue one")).toBe(
    "truck-1: created\n",
  );
  await push(server, "truck-2", 1, [1, Number.POSITIVE_INFINITY]);
  const lost = gap(2, 5, 40);
  await server.ingest.pushBatch({ registration: registration("truck-2"), payload: { case: "gap", value: lost } });
  await push(server, "press", 1, [1]);
  expect(await ok("update", "truck-2", "--label", "site=south", "--label", "owner=ann")).toBe(
    "truck-2: updated; owner=ann site=south\n",
  );
  expect(await ok("update", "truck-2", "--remove-label", "owner")).toBe("truck-2: updated; site=south\n");

  const table = (await ok("list", "truck-*")).trimEnd().split("\n");
  expect(table[0]).toMatch(/^device +connection +last seen +acked +counted +refused +lost +labels$/);
  expect(table[1]).toMatch(/^truck-1 +disconnected +0 +0 +0 +0 +site=north$/);
  expect(table[2]).toMatch(/^truck-2 +disconnected +\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ +5 +1 +1 +40 +site=south$/);
  expect(table).toHaveLength(3);
  expect(Math.max(...table.map(({ length }) => length))).toBeLessThanOrEqual(120);
  const lines = (await ok("list", "--where", "site=north", "--json")).trimEnd().split("\n");
  expect(lines.map((line) => JSON.parse(line))).toMatchObject([
    { deviceId: "truck-1", setLabels: { site: "north" }, connection: "DEVICE_CONNECTION_DISCONNECTED" },
  ]);

  const detail = await ok("get", "truck-2");
  expect(detail).toMatch(/^latest sample +2026-01-15T00:00:00Z, .+ behind$/m);
  expect(detail).toMatch(/^samples +1 counted, 1 refused, 40 lost$/m);
  expect(detail).toMatch(/^INFINITE_VALUE +1 +1$/m);
  expect(detail).toMatch(/^2 to 5 +4 +40 +UNSPECIFIED +/m);
  expect(JSON.parse(await ok("get", "truck-2", "--json"))).toMatchObject({
    device: { ackedSequence: "5" },
    gaps: [{ firstSequence: "2", lastSequence: "5" }],
  });

  expect(await ok("delete", "truck-2")).toBe("truck-2: deleted\n");
  expect(await ok("list", "truck-*")).not.toContain("truck-2");
}, 120_000);

it("devices says what is wrong, with its exit code", async () => {
  const server = await startServer();
  await push(server, "press", 1, [1]);
  const stream = server.ingest.streamBatches();
  const answers = stream.responses[Symbol.asyncIterator]();
  await stream.write(asRegistration(registration("press")));
  await answers.next();
  const f = async (args: string[], code: number, message: string) => {
    const ended = await run(server, "devices", ...args);
    expect(ended).toMatchObject({ code, stdout: "" });
    expect(ended.stderr).toContain(message);
  };
  await f(["create", "press"], 1, 'device "press" is there already');
  await f(["get", "nobody"], 1, 'no device "nobody"');
  await f(["delete", "nobody"], 1, 'no device "nobody"');
  await f(["delete", "press"], 1, 'device "press" is connected');
  await f(["update", "press"], 2, "name --label, --remove-label or --description");
  await f(["update", "press", "--label", "site"], 2, "write LABEL=VALUE");
  await f(["list", "press"], 2, "write press*, or use: devices get press");
  await f(["create", "a\u0007b"], 2, "leave out control characters");
  expect((await run(server, "devices", "delete", "press", "--force")).code).toBe(0);
  await answers.return?.();
}, 120_000);

it("devices watch tells each change as a line of JSON, until it is interrupted", async () => {
  const server = await startServer();
  await server.devices.createDevice({ deviceId: "truck-1" });
  const watch = new Cli(["devices", "watch", "truck-*", "--address", server.address]);
  const listed = JSON.parse(await watch.line(/truck-1/)) as unknown;
  expect(listed).toMatchObject({ kind: "DEVICE_CHANGE_KIND_LISTED", device: { deviceId: "truck-1" } });
  await server.devices.createDevice({ deviceId: "press" });
  await server.devices.deleteDevice({ deviceId: "truck-1" });
  await watch.line(/DEVICE_CHANGE_KIND_DELETED/);
  expect(watch.stdout.some((line) => line.includes("press"))).toBe(false);
  watch.signal("SIGINT");
  expect(await watch.ended).toMatchObject({ code: 0 });
});

it("metrics lists those of a selection, by prefixes too", async () => {
  const server = await startServer();
  for (const id of ["truck-1", "press"]) {
    await push(server, id, 1, [1], { metrics: ["temperature", "tempo", "energy"], counters: ["energy"] });
  }
  const { code, stdout } = await run(
    server,
    "metrics",
    "--device",
    "truck-*",
    "--metric",
    "temp*",
    "--metric",
    "energy",
  );
  const lines = stdout.trimEnd().split("\n");
  expect({ code, heads: lines[0] }).toEqual({ code: 0, heads: "device   metric       kind     unit  description" });
  expect(lines.slice(1).map((line) => line.split(/ +/).slice(0, 3))).toEqual([
    ["truck-1", "energy", "counter"],
    ["truck-1", "temperature", "gauge"],
    ["truck-1", "tempo", "gauge"],
  ]);
  const json = await run(server, "metrics", "--metric", "tempo", "--json");
  expect(
    json.stdout
      .trimEnd()
      .split("\n")
      .map((line) => (JSON.parse(line) as { deviceId: string }).deviceId),
  ).toEqual(["press", "truck-1"]);
});

it("devices list takes its flags from a section of its name in the configuration file", async () => {
  const server = await startServer();
  await server.devices.createDevice({ deviceId: "press" });
  const file = join(await temporaryDirectory(), "tidemark.json");
  await writeFile(file, JSON.stringify({ "devices list": { address: server.address, json: true } }));
  const { code, stdout } = await tidemark(["--config", file, "devices", "list"]);
  expect({ code, device: JSON.parse(stdout) as unknown }).toMatchObject({ code: 0, device: { deviceId: "press" } });
  await writeFile(file, JSON.stringify({ "devices list": { force: true } }));
  const wrong = await tidemark(["--config", file, "devices", "list"]);
  expect(wrong).toMatchObject({ code: 2, stderr: expect.stringContaining('has the key "devices list.force"') });
});
