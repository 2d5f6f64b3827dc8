import { errorMessage } from "../../lib/base/errors.ts";
import { BenchServer } from "./bench-server.ts";
import type { BenchServerCall, BenchServerOptions, BenchServerReady, BenchServerReply } from "./messages.ts";

/**
 * The server's process of a trial, started by `fork` with `BenchServerOptions` as JSON in its first argument. It lives for
 * as long as its parent does, or until it is told to stop.
 */

/** A parent that has gone waits for nothing. */
const stopMsMax = 10_000;

const server = await BenchServer.start(JSON.parse(process.argv[2] ?? "") as BenchServerOptions);

server.failed.catch((error: unknown) => fail(error));
process.on("message", (call: BenchServerCall) => void answer(call));
process.once("disconnect", () => void stop());
// A Ctrl-C on the terminal reaches the whole group of processes: the parent says what is to end, and when.
process.on("SIGINT", () => {});
if (process.connected) tell(server.ready);
else void stop();

async function answer({ id, name }: BenchServerCall): Promise<void> {
  if (name === "resetPeak") server.resetPeak();
  if (name === "stop") await stop();
  tell({ kind: "reply", id, ...(name === "usage" && { usage: server.usage() }) });
  if (name === "stop" && process.connected) process.disconnect();
}

/** Ends the process when nothing holds it any more. */
async function stop(): Promise<void> {
  setTimeout(() => process.exit(1), stopMsMax).unref();
  await server.stop().catch(fail);
}

function fail(error: unknown): never {
  console.error(`bench server: ${errorMessage(error)}`);
  process.exit(4);
}

function tell(message: BenchServerReady | BenchServerReply): void {
  if (process.connected) process.send?.(message);
}
