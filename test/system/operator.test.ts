import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { jsonLines, serve, temporaryDirectory, tidemark } from "./support/cli.ts";

/** What those who run a server have of the command line: its log, what it would run with, and whether it can. */

it("is not served in clear text where other machines can reach it, unless that is meant", async () => {
  const refused = await tidemark(["serve", "--data", await temporaryDirectory(), "--http", "0.0.0.0:0"]);
  expect(refused.code).toBe(2);
  expect(refused.stderr).toContain("--http is 0.0.0.0:0, which other machines can reach, in clear text");
});

it("says that the address of the HTTP port is in use, and ends", async () => {
  const { ready } = await serve(["--data", await temporaryDirectory(), "--http", "127.0.0.1:0"]);
  const { http } = ready as { http: string };
  const flags = ["--grpc", "127.0.0.1:0", "--http", http];
  const refused = await tidemark(["serve", "--data", await temporaryDirectory(), ...flags]);
  expect(refused.code).toBe(3);
  expect(refused.stderr).toContain(`cannot listen on ${http}: it is in use`);
});

it("logs one JSON object per line with --log-format json, each call with --log-level debug, and no token", async () => {
  const flags = ["--log-format", "json", "--log-level", "debug"];
  const { server, address } = await serve(["--data", await temporaryDirectory(), ...flags]);
  await tidemark(["status", "--address", address, "--token", "tm_secret_of_somebody"]);
  await server.line(/GetStatus/, "stderr");
  server.signal("SIGTERM");
  const { code, stderr } = await server.ended;
  expect(code).toBe(0);
  expect(stderr).not.toContain("secret");
  const lines = jsonLines(stderr);
  expect(lines[0]).toMatchObject({ level: "info", "service.name": "tidemark", msg: "durability fsync" });
  expect(lines.find((line) => String(line["rpc.method"]).endsWith("GetStatus"))).toMatchObject({
    level: "debug",
    msg: "call",
    "rpc.system.name": "grpc",
    "rpc.response.status_code": "OK",
    durationMs: expect.any(Number),
  });
  for (const { time } of lines) expect(time).toMatch(/^\d{4}-\d\d-\d\dT/);
});

it("health tells probes, by its exit code, whether a service can be used", async () => {
  const { address } = await serve(["--data", await temporaryDirectory()]);
  const health = (...flags: string[]) => tidemark(["health", "--address", address, ...flags]);
  expect(await health()).toMatchObject({ code: 0, stdout: "SERVING\n" });
  expect(await health("--service", "live")).toMatchObject({ code: 0, stdout: "SERVING\n" });
  expect(await health("--service", "nonesuch")).toMatchObject({ code: 1 });
  expect((await tidemark(["health", "--address", "127.0.0.1:1"])).code).toBe(3);
});

it("a client tells its calls with --log-calls, and shows no secret", async () => {
  const { address } = await serve(["--data", await temporaryDirectory()]);
  const asked = await tidemark(["status", "--address", address, "--log-calls", "--token", "tm_secret_of_somebody"]);
  expect(asked.code).toBe(0);
  expect(asked.stderr).toMatch(/^tidemark: call of telemetry\.v1\.AdminService\/GetStatus: OK after [\d.]+ ms\n$/);
});

describe("config", () => {
  it("tells each setting with where it comes from, which goes before the other", async () => {
    const file = join(await temporaryDirectory(), "tidemark.json");
    await writeFile(file, JSON.stringify({ serve: { data: "/srv/t", "device-rate": "off", lateness: "1m" } }));
    const env = { TIDEMARK_LATENESS: "2m", TIDEMARK_INSECURE: "false" };
    const { code, stdout } = await tidemark(["--config", file, "config", "--device-rate", "500"], { env });
    expect(code).toBe(0);
    const row = (name: string) => stdout.split("\n").find((line) => line.startsWith(`--${name} `)) ?? "";
    expect(row("data")).toMatch(/\/srv\/t +file/);
    expect(row("device-rate")).toMatch(/500 +flag/);
    expect(row("lateness")).toMatch(/2m +environment/);
    expect(row("receive-window")).toMatch(/256KiB +default/);
    expect(row("insecure")).toMatch(/false +environment/);
  });

  it("prints a file that serve takes, and that comes to the same", async () => {
    const directory = await temporaryDirectory();
    const first = await tidemark([
      "config",
      "--json",
      "--data",
      directory,
      "--tiers",
      "1s,1m",
      "--grpc",
      "127.0.0.1:0",
    ]);
    const file = join(directory, "tidemark.json");
    await writeFile(file, first.stdout);
    const again = await tidemark(["--config", file, "config", "--json"]);
    expect(JSON.parse(again.stdout)).toEqual(JSON.parse(first.stdout));
    const { ready } = await serve([], {
      env: {},
      command: [process.execPath, join(import.meta.dirname, "../../cli/main.ts"), "--config", file],
    });
    expect(ready).toMatchObject({ event: "ready" });
  });

  it("names what serve would not start with", async () => {
    const refused = await tidemark(["config", "--tls-cert", "nonesuch.crt", "--tls-key", "nonesuch.key"]);
    expect(refused).toMatchObject({ code: 2, stdout: "" });
    expect(refused.stderr).toContain('--tls-cert is "nonesuch.crt", which cannot be read');
  });
});

describe("doctor", () => {
  const stateOf = (stdout: string, about: string) =>
    jsonLines<{ about: string; state: string; text: string }>(stdout).find((finding) => finding.about === about);

  it("looks at a server's place, and leaves it as it is", async () => {
    const directory = await temporaryDirectory();
    const { server, address } = await serve(["--data", directory]);
    await tidemark(["simulate", "--address", address, "--devices", "1", "--batches", "1"]);
    const beside = await tidemark(["doctor", "--data", directory, "--grpc", address, "--json"]);
    expect(beside.code).toBe(0);
    expect(stateOf(beside.stdout, "server")?.text).toContain(`something answers at ${address}`);
    server.signal("SIGTERM");
    await server.ended;
    const { code, stdout } = await tidemark(["doctor", "--data", directory, "--json"]);
    expect(code).toBe(0);
    expect(stateOf(stdout, "database")).toMatchObject({
      state: "ok",
      text: expect.stringContaining("journal_mode=wal"),
    });
    expect(stateOf(stdout, "versions")?.text).toMatch(/^tidemark \d.*, Node 24\..*, SQLite 3\./);
    expect(stateOf(stdout, "fsync")?.text).toMatch(/ms at the median/);
    expect(stateOf(stdout, "clock")?.state).not.toBe("problem");
  });

  it("tells certificates that end soon, and a database that is none", async () => {
    const directory = await temporaryDirectory();
    const certs = join(directory, "certs");
    await tidemark(["certs", certs, "--days", "3"]);
    await writeFile(join(directory, "tidemark.sqlite"), "this is no database, but has some bytes");
    const flags = ["--tls-cert", join(certs, "server.crt"), "--tls-key", join(certs, "server.key")];
    const before = await readFile(join(directory, "tidemark.sqlite"));
    const { code, stdout } = await tidemark(["doctor", "--data", directory, ...flags, "--json"]);
    expect(code).toBe(1);
    expect(stateOf(stdout, "certificate")).toMatchObject({
      state: "warning",
      text: expect.stringContaining("ends in 3 days"),
    });
    expect(stateOf(stdout, "database")?.state).toBe("problem");
    expect(await readFile(join(directory, "tidemark.sqlite"))).toEqual(before);
  });

  it("ends with 2 and the flag's name where the configuration cannot be used", async () => {
    const { code, stderr } = await tidemark(["doctor", "--grpc", "0.0.0.0:1"]);
    expect(code).toBe(2);
    expect(stderr).toContain("--grpc is 0.0.0.0:1");
  });
});
