import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import { afterAll, vi } from "vitest";
import { compileCache } from "../../support/compile-cache.ts";

/** Real processes of the command line, and what they leave behind: nothing. */

export const checkout = fileURLToPath(new URL("../../..", import.meta.url));
export const mainFile = join(checkout, "cli/main.ts");

export interface CliOptions {
  /** Added to an environment without settings of ours. */
  readonly env?: Readonly<Record<string, string>>;
  /** What is run with the arguments; this Node with the checkout's `cli/main.ts` unless told otherwise. */
  readonly command?: readonly string[];
  readonly cwd?: string;
}

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

const running = new Set<Cli>();
const directories: string[] = [];

// In one hook: directories go when nobody writes into them any more.
afterAll(async () => {
  await Promise.all([...running].map((cli) => cli.kill()));
  for (const directory of directories.splice(0)) await rm(directory, { recursive: true, force: true });
});

// A hook that fails keeps those behind it from running.
process.once("exit", () => {
  for (const cli of running) cli.killNow();
});

/** A directory that is removed after the tests of the file. */
export async function temporaryDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "tidemark-system-"));
  directories.push(directory);
  return directory;
}

/** A process that has been started. It is killed after the tests of the file if it still runs. */
export class Cli {
  readonly stdout: string[] = [];
  readonly stderr: string[] = [];
  /** Lines and whole text, when the process and its pipes have ended. */
  readonly ended: Promise<Ended>;
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #onLine = new Set<() => void>();
  #over = false;

  constructor(args: readonly string[], { env, command = [process.execPath, mainFile], cwd }: CliOptions = {}) {
    const [program, ...before] = command;
    this.#child = spawn(program, [...before, ...args], {
      // A group of its own, so that what it has started goes with it.
      detached: true,
      env: { ...cleanEnvironment(), NODE_COMPILE_CACHE: compileCache, ...env },
      stdio: "pipe",
      ...(cwd !== undefined && { cwd }),
    });
    this.ended = this.#end();
    this.ended.catch(() => {});
    running.add(this);
  }

  /** Whether it has ended. */
  get over(): boolean {
    return this.#over;
  }

  /** The first line that matches, from now or before. @throws when the process ends without one */
  async line(pattern: RegExp, from: "stdout" | "stderr" = "stdout"): Promise<string> {
    const lines = this[from];
    for (let i = 0; ; ) {
      for (; i < lines.length; i += 1) if (pattern.test(lines[i])) return lines[i];
      await this.#next(`no line matches ${pattern}`);
    }
  }

  /** The first lines of standard output, when there are so many. @throws when the process ends with fewer */
  async lines(count: number): Promise<readonly string[]> {
    while (this.stdout.length < count) await this.#next(`there are not ${count} lines`);
    return this.stdout.slice(0, count);
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  /** As if typed. */
  write(text: string): void {
    this.#child.stdin.write(text);
  }

  /** Ends it and everything that it has started, at once. */
  async kill(): Promise<void> {
    this.killNow();
    if (this.#child.pid !== undefined) await this.ended;
  }

  /** The same, without waiting for it. */
  killNow(): void {
    if (this.#over || this.#child.pid === undefined) return;
    try {
      process.kill(-this.#child.pid, "SIGKILL");
    } catch {
      // It has just ended.
    }
  }

  async #end(): Promise<Ended> {
    for (const name of ["stdout", "stderr"] as const) {
      createInterface({ input: this.#child[name] }).on("line", (line) => {
        this[name].push(line);
        this.#wake();
      });
    }
    const [code] = (await once(this.#child, "close")) as [number | null];
    this.#over = true;
    running.delete(this);
    this.#wake();
    return { code, stdout: textOf(this.stdout), stderr: textOf(this.stderr) };
  }

  async #next(otherwise: string): Promise<void> {
    if (this.#over) throw new Error(`${otherwise}:\n${textOf([...this.stdout, ...this.stderr])}`);
    await new Promise<void>((resolve) => this.#onLine.add(resolve));
  }

  #wake(): void {
    for (const resolve of this.#onLine) resolve();
    this.#onLine.clear();
  }
}

/** Runs a command to its end. */
export async function tidemark(args: readonly string[], options?: CliOptions): Promise<Ended> {
  return await new Cli(args, options).ended;
}

/** A server that is ready. */
export async function serve(
  args: readonly string[],
  options?: CliOptions,
): Promise<{ server: Cli; address: string; ready: unknown }> {
  const server = new Cli(["serve", "--json", "--grpc", "127.0.0.1:0", ...args], options);
  const ready = JSON.parse(await server.line(/"event":"ready"/)) as { grpc: string };
  return { server, address: ready.grpc, ready };
}

/** Resolves when the condition holds. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  await vi.waitUntil(condition, { interval: 20, timeout: 20_000 });
}

/** Results as they are written with --json or --format ndjson. */
export function jsonLines<T = Record<string, unknown>>(stdout: string): T[] {
  return stdout
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as T);
}

function textOf(lines: readonly string[]): string {
  return lines.map((line) => `${line}\n`).join("");
}

/** The tests' own, without what would set flags or colours. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  const ours = /^(TIDEMARK_|CI$|COLORTERM$|NO_COLOR$|FORCE_COLOR$|NODE_OPTIONS$|VITEST|NODE_V8_COVERAGE$)/;
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !ours.test(name)));
}
