import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";
import type {
  BenchServerCall,
  BenchServerOptions,
  BenchServerReady,
  BenchServerReply,
} from "../../bench/server/messages.ts";
import { BenchClient } from "./bench-server.ts";

export const mainFile = fileURLToPath(new URL("../../bench/server/main.ts", import.meta.url));

/** With a data directory that goes with the test. */
export async function optionsOf(chosen: Partial<BenchServerOptions> = {}): Promise<BenchServerOptions> {
  const dataDir = await mkdtemp(join(tmpdir(), "tidemark-bench-test-"));
  onTestFinished(() => rm(dataDir, { recursive: true, force: true }));
  return { dataDir, durability: "fsync", tls: false, isNull: false, ...chosen };
}

/** A server's process, and a client of it, for one test. */
export async function forkServer(options: BenchServerOptions) {
  const child = fork(mainFile, [JSON.stringify(options)]);
  onTestFinished(() => void child.kill("SIGKILL"));
  const exited = once(child, "exit") as Promise<[number | null, string | null]>;
  const [ready] = (await once(child, "message")) as [BenchServerReady];
  const client = new BenchClient(ready);
  onTestFinished(() => client.close());
  return { child, exited, ready, client };
}

let calls = 0;

/** Asks as the benchmark's runner does. */
export async function ask(child: ChildProcess, name: BenchServerCall["name"]): Promise<BenchServerReply> {
  const id = ++calls;
  child.send({ id, name } satisfies BenchServerCall);
  for (;;) {
    const [reply] = (await once(child, "message")) as [BenchServerReply];
    if (reply.id === id) return reply;
  }
}
