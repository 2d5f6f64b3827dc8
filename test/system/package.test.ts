import { execFile } from "node:child_process";
import { cp, readdir, symlink } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { beforeAll, describe, expect, it } from "vitest";
import { checkout, serve, temporaryDirectory, tidemark } from "./support/cli.ts";

const run = promisify(execFile);
/** What `npm pack` reads; the checkout itself is left as it is, for other tests run beside this one. */
const sources = ["lib", "ingest", "query", "device-sim", "bench", "cli", "proto", "docs"];
const sourceFile = /^(package|tsconfig).*\.json$|\.md$|^LICENSE$|^\.npmrc$/;

/** As from a shell: what `npm test` tells its scripts would be settings here. */
const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name)));

let packed: { version: string; files: { path: string }[] };
let command: string[];

beforeAll(async () => {
  const copy = await temporaryDirectory();
  const files = (await readdir(checkout)).filter((name) => sourceFile.test(name));
  for (const name of [...sources, ...files]) await cp(join(checkout, name), join(copy, name), { recursive: true });
  await symlink(join(checkout, "node_modules"), join(copy, "node_modules"));

  const { stdout } = await run("npm", ["run", "-s", "package", "--", "--json", "--offline"], { cwd: copy, env });
  const [{ filename, ...rest }] = JSON.parse(stdout.slice(stdout.indexOf("[\n"))) as (typeof packed & {
    filename: string;
  })[];
  packed = rest;

  const installed = await temporaryDirectory();
  await run("tar", ["-xzf", join(copy, filename), "-C", installed]);
  await symlink(join(checkout, "node_modules"), join(installed, "package/node_modules"));
  command = [process.execPath, join(installed, "package/dist/cli/tidemark.js")];
}, 60_000);

describe("the published package", () => {
  it("carries JavaScript, and no TypeScript but declarations", () => {
    const paths = packed.files.map(({ path }) => path);
    expect(paths).toContain("dist/cli/main.js");
    expect(paths).toContain("dist/proto/gen/telemetry/v1/batch_pb.js");
    expect(paths.filter((path) => path.endsWith(".ts") && !path.endsWith(".d.ts"))).toEqual([]);
    expect(paths.filter((path) => /^(test|bench|data)\//.test(path))).toEqual([]);
  });

  it("carries its licence and what it says of itself", () => {
    const paths = packed.files.map(({ path }) => path);
    for (const path of ["LICENSE", "README.md", "package.json"]) expect(paths).toContain(path);
  });

  it("carries what its HTTP port serves", async () => {
    const paths = packed.files.map(({ path }) => path);
    for (const path of ["proto/gen/openapi.json", "query/dashboard/dist/index.html"]) expect(paths).toContain(path);
    const { server, ready } = await serve(["--data", await temporaryDirectory(), "--http", "127.0.0.1:0"], { command });
    const { http } = ready as { http: string };
    for (const path of ["/openapi.json", "/", "/api/"]) {
      expect((await fetch(`http://${http}${path}`)).status).toBe(200);
    }
    server.signal("SIGTERM");
    expect((await server.ended).code).toBe(0);
  });

  it("says its version", async () => {
    expect(await tidemark(["--version"], { command })).toEqual({ code: 0, stdout: `${packed.version}\n`, stderr: "" });
  });

  it("carries the programs that its benchmark starts, and has its commands", async () => {
    const paths = packed.files.map(({ path }) => path);
    for (const part of ["server", "load", "micro"]) expect(paths).toContain(`dist/bench/${part}/main.js`);
    const { code, stdout } = await tidemark(["bench", "run", "--help"], { command });
    expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringContaining("micro-codec") });
  });

  it("serves, simulates and queries", async () => {
    const { server, address } = await serve(["--data", await temporaryDirectory()], { command });
    const past = ["--start", "2026-01-15T00:00:00Z", "--speed", "max"];
    const size = ["--devices", "2", "--metrics", "1", "--batches", "5", "--json"];
    const simulated = await tidemark(["simulate", "--address", address, ...past, ...size], { command });
    expect({ code: simulated.code, ...JSON.parse(simulated.stdout) }).toMatchObject({ code: 0, samplesAcked: 10 });
    const range = ["--from", "2026-01-15T00:00:00Z", "--tier", "1d", "--format", "csv"];
    const queried = await tidemark(["query", "--address", address, ...range], { command });
    expect(queried.stdout).toMatch(/\nsim-0001,temperature,1d,2026-01-15T00:00:00Z,(provisional|final),5,/);
    server.signal("SIGTERM");
    expect((await server.ended).code).toBe(0);
  });
});
