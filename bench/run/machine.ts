import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { cpus, release, totalmem, type } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import Database from "better-sqlite3";
import type { Machine } from "../results.ts";

/** Packages whose version can change a figure. */
const packages = ["@grpc/grpc-js", "@bufbuild/protobuf", "better-sqlite3", "rxjs", "autocannon"];

/** What the figures were made on. */
export function machine(): Machine {
  const [cpu] = cpus();
  const versions = Object.fromEntries(packages.map((name) => [name, versionOf(name)]));
  return {
    cpus: cpus().length,
    cpuModel: cpu?.model.trim() ?? "",
    memoryBytes: totalmem(),
    os: `${type()} ${release()}`,
    versions: { node: process.versions.node, sqlite: sqliteVersion(), ...versions },
  };
}

/** The commit of the checkout, with `-dirty` when files differ from it; "" outside a checkout. */
export function commit(): string {
  const directory = dirname(fileURLToPath(import.meta.url));
  const git = (...args: string[]) =>
    execFileSync("git", args, { cwd: directory, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
  try {
    return `${git("rev-parse", "HEAD")}${git("status", "--porcelain") === "" ? "" : "-dirty"}`;
  } catch {
    return "";
  }
}

function sqliteVersion(): string {
  const database = new Database(":memory:");
  const version = database.prepare("SELECT sqlite_version()").pluck().get() as string;
  database.close();
  return version;
}

/** Packages do not export their package.json: it is looked for above their entry, past those that only say `type`. */
function versionOf(name: string): string {
  for (let directory = dirname(createRequire(import.meta.url).resolve(name)); ; directory = dirname(directory)) {
    const file = join(directory, "package.json");
    const { version } = existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as { version?: string }) : {};
    if (version !== undefined) return version;
  }
}
