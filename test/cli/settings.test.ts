import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { push } from "../support/query.ts";
import { serverOfFile } from "../support/server.ts";
import { temporaryDirectory, tidemark } from "../system/support/cli.ts";

const server = serverOfFile();
const all = ["--from", "2026-01-01T00:00:00Z", "--tier", "1d"];

beforeAll(() => push(server(), "pump", 1, [1, 2]));

async function configFile(config: unknown): Promise<string> {
  const file = join(await temporaryDirectory(), "tidemark.json");
  await writeFile(file, typeof config === "string" ? config : JSON.stringify(config));
  return file;
}

/** The format of a query's results, as can be told from them. */
function formatOf(stdout: string): string {
  if (stdout.startsWith("{")) return "ndjson";
  return stdout.startsWith("device,metric") ? "csv" : stdout.startsWith("device ") ? "table" : stdout;
}

interface Settings {
  readonly flags?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly config?: Readonly<Record<string, unknown>>;
}

/** Runs a query that finds its server in the environment. */
async function query({ flags = [], env = {}, config = {} }: Settings) {
  const file = await configFile({ query: config });
  return await tidemark(["--config", file, "query", ...all, ...flags], {
    env: { TIDEMARK_ADDRESS: server().address, ...env },
  });
}

describe.concurrent("a setting", () => {
  const config = { format: "csv" };
  const env = { TIDEMARK_FORMAT: "ndjson" };

  it.each<[string, Settings, string]>([
    ["comes from the configuration file", { config }, "csv"],
    ["comes from the environment rather than from the file", { config, env }, "ndjson"],
    ["comes from a flag rather than from both", { config, env, flags: ["--format", "table"] }, "table"],
    ["has its default otherwise", {}, "table"],
    ["may be a flag without a value in the file", { config: { json: true } }, "ndjson"],
    ["may be a flag without a value, turned off in the file", { config: { json: false } }, "table"],
    ["may be a flag without a value in the environment", { env: { TIDEMARK_JSON: "1" } }, "ndjson"],
    ["may be a flag without a value, turned off in the environment", { env: { TIDEMARK_JSON: "false" } }, "table"],
    ["may be a list in the file", { config: { device: ["pump"], format: "csv" } }, "csv"],
  ])("%s", async (_, settings, format) => {
    const { code, stdout, stderr } = await query(settings);
    // Below a table stands which windows these are.
    const said = format === "table" ? expect.stringContaining("windows, complete until") : "";
    expect({ code, stderr, format: formatOf(stdout) }).toEqual({ code: 0, stderr: said, format });
  });

  it("may be a list in the file that a flag replaces", async () => {
    const { code, stderr } = await query({ config: { device: ["pump"] }, flags: ["--device", "other"] });
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining('no device "other"') });
    expect(stderr).not.toContain("pump");
  });

  it("comes from the file that TIDEMARK_CONFIG names", async () => {
    const env = { TIDEMARK_CONFIG: await configFile({ query: config }), TIDEMARK_ADDRESS: server().address };
    const { code, stdout } = await tidemark(["query", ...all], { env });
    expect({ code, format: formatOf(stdout) }).toEqual({ code: 0, format: "csv" });
  });
});

describe.concurrent("a configuration file is refused", () => {
  it.each<[string, unknown, ...string[]]>([
    [
      "with an unknown section",
      { qeury: {} },
      '"qeury"',
      "sections are demo, serve, simulate, replay, load, bench run, bench compare, query",
    ],
    ["with an unknown key", { query: { formt: "csv" } }, '"query.formt"', "its keys are address, tls, ca"],
    ["with an unknown key in the section of another command", { serve: { dta: "x" } }, '"serve.dta"'],
    ["with a value that is not valid", { query: { to: "soon" } }, "to", '"soon"', "write RFC 3339"],
    ["with a value that is none of the choices", { query: { format: "xml" } }, "format", "xml", "table, ndjson, csv"],
    ["with a text for a flag without a value", { query: { json: "yes" } }, "json", '"yes"', "true or false"],
    ["with an object for a value", { query: { device: { id: "pump" } } }, "device"],
    ["with a section that is no object", { query: [] }, "query", "is not an object", 'write {"serve":'],
    ["that is no object", "[]", "is not an object", 'write {"serve":'],
    ["that is no JSON", '{"query":', "cannot be read", "check the path and the JSON"],
  ])("%s", async (_, config, ...words) => {
    const file = await configFile(config);
    const { code, stdout, stderr } = await tidemark(["--config", file, "query", "--address", server().address, ...all]);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    for (const word of words) expect(stderr).toContain(word);
    expect(stderr).not.toMatch(/^ {4}at /m);
  });

  it("that is not there", async () => {
    const { code, stdout, stderr } = await tidemark(["--config", "/nowhere/tidemark.json", "query"]);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toContain("cannot be read from /nowhere/tidemark.json");
  });
});

describe.concurrent("a value in the environment is refused", () => {
  it.each([
    ["TIDEMARK_FORMAT", "xml", "table, ndjson, csv"],
    ["TIDEMARK_TIER", "hourly", "such as 250ms"],
  ])("%s=%s, with its remedy", async (name, value, remedy) => {
    const { code, stdout, stderr } = await tidemark(["query", "--address", server().address], {
      env: { [name]: value },
    });
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    for (const word of [value, remedy]) expect(stderr).toContain(word);
  });
});
