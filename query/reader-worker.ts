import { once } from "node:events";
import type { Worker } from "node:worker_threads";
// A worker that alone has loaded the addon can crash the process when it ends (better-sqlite3 issue 1476).
import "better-sqlite3";
import { errorMessage, TelemetryError } from "../lib/base/errors.ts";
import { startThread } from "../lib/base/thread.ts";
import { ThreadCalls, type ThreadReply } from "../lib/base/thread-calls.ts";
import type { ReaderCalls, ReaderOptions, ToReader } from "./reader-messages.ts";

/** One reader thread, as the other threads see it. */
export class ReaderWorker {
  /** Ranges that are open on it. */
  ranges = 0;
  /** Rejects when the thread has ended by a fault. */
  readonly failed: Promise<never>;
  readonly #worker: Worker;
  readonly #calls: ThreadCalls<ReaderCalls>;

  constructor(options: ReaderOptions) {
    this.#worker = startThread("./reader-thread", import.meta.url, { workerData: options });
    this.#calls = new ThreadCalls((call) => this.#worker.postMessage(call));
    this.#worker.on("message", (reply: ThreadReply) => this.#calls.onReply(reply));
    this.failed = new Promise((_, reject) => {
      this.#worker.once("error", (error) => reject(readerFailed(error)));
    });
    this.failed.catch(() => this.#calls.failAll(readerFailed()));
    this.#worker.on("exit", () => this.#calls.failAll(new Error("the reader thread has ended")));
  }

  call<K extends keyof ReaderCalls>(name: K, ...args: Parameters<ReaderCalls[K]>): Promise<ReturnType<ReaderCalls[K]>> {
    return this.#calls.call(name, ...args);
  }

  async close(): Promise<void> {
    const exit = once(this.#worker, "exit");
    this.#worker.postMessage({ name: "close" } satisfies ToReader);
    await exit;
  }
}

/** @param cause for who runs the server; clients are not told */
function readerFailed(cause?: unknown): TelemetryError {
  return new TelemetryError(
    "INTERNAL",
    "READER_FAILED",
    `a thread that reads the store has failed${cause === undefined ? "" : `: ${errorMessage(cause)}`}; start the server ` +
      "again: everything acked is kept",
    { cause },
  );
}
