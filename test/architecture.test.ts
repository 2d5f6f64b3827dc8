import { readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const checkout = fileURLToPath(new URL("..", import.meta.url));

/**
 * What each part may import besides itself and the generated contract. Programs stand over one library;
 * only `cli` composes them, and `bench` may import everything. The commands that run it import it, and nothing else does.
 */
const layers: Readonly<Record<string, readonly string[]>> = {
  "lib/base": [],
  "lib/aggregate": ["lib/base"],
  "lib/access": ["lib/base"],
  "lib/rpc": ["lib/base", "lib/access"],
  "lib/http": ["lib/base", "lib/access", "lib/rpc"],
  "lib/store": ["lib/base", "lib/aggregate"],
  "lib/wire": ["lib/base", "lib/aggregate", "lib/store"],
  "lib/journal": ["lib/base", "lib/aggregate", "lib/store", "lib/wire"],
  ingest: ["lib"],
  query: ["lib"],
  "query/dashboard": ["lib"],
  "device-sim": ["lib"],
  cli: ["lib", "ingest", "query", "device-sim"],
  bench: ["lib", "ingest", "query", "device-sim", "cli"],
};
const contract = "proto";
const benchCommands = ["cli/commands/bench/run.ts", "cli/commands/bench/compare.ts", "cli/commands/load.ts"];

/** What belongs to time, chance and environment, and where it may be said. */
const ambient = /\bDate\.now\b|\bnew Date\(\)|\bMath\.random\b|\bprocess\.env\b|\bconsole\b/;
/** A benchmark is a program, and its report goes to the console. */
const ambientParts = ["lib/base", "cli", "bench"];

interface Source {
  /** From the checkout. */
  readonly file: string;
  readonly text: string;
}

const sources: readonly Source[] = ["lib", "ingest", "query", "device-sim", "cli", "bench"].flatMap((folder) =>
  readdirSync(join(checkout, folder), { recursive: true, encoding: "utf8" })
    // What is built is in no layer.
    .filter((name) => /\.[cm]?[jt]sx?$/.test(name) && !name.startsWith("dashboard/dist/"))
    .map((name) => ({ file: join(folder, name), text: readFileSync(join(checkout, folder, name), "utf8") })),
);

/** `lib/store` of `lib/store/sqlite/schema.ts`, `cli` of `cli/commands/serve.ts`. The dashboard runs in a browser. */
function partOf(file: string): string {
  const [first, second] = file.split("/");
  return first === "lib" || (first === "query" && second === "dashboard") ? `${first}/${second}` : first;
}

/** The folder of which a part is one; the dashboard is no part of what runs on the server. */
function folderOf(file: string): string {
  return partOf(file) === "query/dashboard" ? "query/dashboard" : file.split("/")[0];
}

/** The files of the checkout that a source imports, statically or not, types too. */
function importsOf({ file, text }: Source): string[] {
  return [...text.matchAll(/(?:\bfrom|\bimport)\s*\(?\s*["'](\.[^"']*)["']/g)].map(([, path]) =>
    normalize(join(dirname(file), path)),
  );
}

/** Imports against the layers, as `file -> imported`. */
function wrongArrows(source: Source): string[] {
  const part = partOf(source.file);
  const allowed = [part, contract, ...(layers[part] ?? []), ...(benchCommands.includes(source.file) ? ["bench"] : [])];
  return importsOf(source)
    .filter((imported) => !allowed.includes(partOf(imported)) && !allowed.includes(folderOf(imported)))
    .map((imported) => `${source.file} -> ${imported}`);
}

function usesAmbient({ file, text }: Source): boolean {
  return !ambientParts.includes(partOf(file)) && ambient.test(withoutComments(text));
}

function withoutComments(text: string): string {
  return text.replaceAll(/\/\*[\s\S]*?\*\/|(?<!:)\/\/.*$/gm, "");
}

describe("the architecture", () => {
  it("has every source in a part with a row of its own", () => {
    expect(sources.length).toBeGreaterThan(50);
    expect(sources.filter(({ file }) => layers[partOf(file)] === undefined).map(({ file }) => file)).toEqual([]);
  });

  it("has all arrows one way", () => {
    expect(sources.flatMap(importsOf).length).toBeGreaterThan(100);
    expect(sources.flatMap(wrongArrows)).toEqual([]);
  });

  it("has time, chance, environment and console in the base and in programs only", () => {
    expect(sources.filter(usesAmbient).map(({ file }) => file)).toEqual([]);
  });

  it("has names of files in kebab case", () => {
    const names = sources.map(({ file }) => basename(file));
    expect(names.filter((name) => !/^[a-z0-9]+(-[a-z0-9]+)*(\.config)?\.(tsx?|js)$/.test(name))).toEqual([]);
  });

  it("is not imported by its tests' or benchmarks' back door", () => {
    const others = sources
      .filter(({ file }) => partOf(file) !== "bench" && !benchCommands.includes(file))
      .flatMap(importsOf);
    expect(others.filter((imported) => ["test", "bench"].includes(imported.split("/")[0]))).toEqual([]);
  });
});

describe("these rules find", () => {
  const source = (file: string, text: string): Source => ({ file, text });

  it.each([
    ["lib/rpc/server.ts", 'import { Inlet } from "../../ingest/inlet.ts";'],
    ["lib/base/log.ts", 'import { Tier } from "../aggregate/tiers.ts";'],
    ["lib/aggregate/window-set.ts", 'import type { Store } from "../store/store.ts";'],
    ["lib/store/store.ts", 'import { encodeFrame } from "../wire/window-frame.ts";'],
    ["lib/wire/window-frame.ts", 'import { Channel } from "../rpc/client.ts";'],
    ["ingest/writer.ts", 'import { Reader } from "../query/reader.ts";'],
    ["query/dashboard/src/app.tsx", 'import { Reader } from "../../reader.ts";'],
    ["query/service.ts", 'import { csvOf } from "./dashboard/src/state/csv.ts";'],
    ["query/reader.ts", 'const late = await import("../ingest/writer.ts");'],
    ["device-sim/uplink/uplink.ts", 'export { Writer } from "../../ingest/writer.ts";'],
    ["device-sim/fleet.ts", 'import "../cli/main.ts";'],
    ["cli/server.ts", 'import { batch } from "../test/support/batches.ts";'],
    ["cli/server.ts", 'import { report } from "../bench/measure.ts";'],
  ])("a wrong arrow from %s: %s", (file, text) => {
    expect(wrongArrows(source(file, text))).toHaveLength(1);
  });

  it.each([
    ["cli/server.ts", 'import { Writer } from "../ingest/writer.ts";'],
    ["lib/store/sqlite/schema.ts", 'import { tierName } from "../../aggregate/tiers.ts";'],
    ["query/service.ts", 'import type { QueryService } from "../proto/gen/telemetry/v1/query_service_pb.js";'],
    ["ingest/call.ts", 'import { create } from "@bufbuild/protobuf";'],
  ])("nothing wrong in %s: %s", (file, text) => {
    expect(wrongArrows(source(file, text))).toEqual([]);
  });

  it.each(["const t = Date.now();", "new Date()", "Math.random()", "process.env.X", "console.log(1)"])(
    "%s in a program, but not in a comment",
    (text) => {
      expect(usesAmbient(source("ingest/call.ts", text))).toBe(true);
      expect(usesAmbient(source("ingest/call.ts", `// ${text}\n/* ${text} */`))).toBe(false);
      expect(usesAmbient(source("lib/base/clock.ts", text))).toBe(false);
    },
  );
});
