import { once } from "node:events";
import type { Worker } from "node:worker_threads";
// A worker that alone has loaded the addon can crash the process when it ends (better-sqlite3 issue 1476).
import "better-sqlite3";
import { errorMessage, fromFields, TelemetryError } from "../lib/base/errors.ts";
import { startThread } from "../lib/base/thread.ts";
import { ThreadCalls } from "../lib/base/thread-calls.ts";
import type { DeviceEvent } from "../lib/store/device-feed.ts";
import type { LiveUpdate } from "../lib/store/live-feed.ts";
import type { Settlement } from "./call.ts";
import { unpackSettlements } from "./settled-slab.ts";
import type { Slab } from "./slab.ts";
import type { FromWriter, ToWriter, WriterCalls, WriterOptions, WriterReady } from "./writer-messages.ts";

/** What the writer thread tells. */
export interface WriterListener {
  /** @param fairBytes what a call may have in flight beside others */
  onSettled(settlements: readonly Settlement[], slabBytes: number, fairBytes: number): void;
  onUpdate(update: LiveUpdate): void;
  onDevices(events: readonly DeviceEvent[]): void;
  /** Why nothing can be stored has changed; empty when it can. */
  onProblem(problem: string): void;
}

/** The I/O thread's handle of the writer thread. */
export class Writer {
  /** What was found at the start. */
  readonly ready: WriterReady;
  /** Rejects when the thread has ended by a fault: nothing more will be acked. */
  readonly failed: Promise<never>;
  listener: WriterListener | undefined;
  readonly #worker: Worker;
  readonly #calls = new ThreadCalls<WriterCalls>((call) => this.#post({ kind: "call", call }));

  /**
   * Opens the store on a thread of its own, and brings its tables to where its journal is.
   * @throws TelemetryError when it cannot be opened
   */
  static async start(options: WriterOptions): Promise<Writer> {
    const worker = startThread("./writer-thread", import.meta.url, { workerData: options });
    const [first] = (await once(worker, "message").catch((error: unknown) => {
      throw storeFailed(error);
    })) as [FromWriter];
    if (first.kind === "failed") throw fromFields(first.error);
    if (first.kind !== "ready") throw new Error(`the writer thread began with ${first.kind}`);
    return new Writer(worker, first);
  }

  private constructor(worker: Worker, ready: WriterReady) {
    this.#worker = worker;
    this.ready = ready;
    worker.on("message", (message: FromWriter) => this.#onMessage(message));
    this.failed = new Promise((_, reject) => {
      worker.once("error", (error) => reject(storeFailed(error)));
    });
    this.failed.catch(() => this.#calls.failAll(storeFailed()));
    worker.once("exit", () => this.#calls.failAll(new Error("the writer thread has ended")));
  }

  /** The slab is moved to the thread, and must not be used again. */
  submit(slab: Slab): void {
    this.#post({ kind: "slab", slab }, [slab.bytes.buffer, slab.events.buffer]);
  }

  /** Asks the thread; it answers behind the slabs that were submitted before. */
  call<K extends keyof WriterCalls>(name: K, ...args: Parameters<WriterCalls[K]>): Promise<ReturnType<WriterCalls[K]>> {
    return this.#calls.call(name, ...args);
  }

  /** Settles what was submitted, closes the store and ends the thread. */
  async close(): Promise<void> {
    const exit = once(this.#worker, "exit");
    this.#post({ kind: "close" });
    await exit;
  }

  #post(message: ToWriter, transfer: ArrayBuffer[] = []): void {
    this.#worker.postMessage(message, transfer);
  }

  #onMessage(message: FromWriter): void {
    if (message.kind === "settled") {
      this.listener?.onSettled(unpackSettlements(message.settled), message.slabBytes, message.fairBytes);
    } else if (message.kind === "update") this.listener?.onUpdate(message.update);
    else if (message.kind === "devices") this.listener?.onDevices(message.events);
    else if (message.kind === "problem") this.listener?.onProblem(message.problem);
    else if (message.kind === "reply") this.#calls.onReply(message.reply);
  }
}

/** @param cause for who runs the server; clients are not told */
function storeFailed(cause?: unknown): TelemetryError {
  return new TelemetryError(
    "INTERNAL",
    "STORE_FAILED",
    `the store has failed${cause === undefined ? "" : `: ${errorMessage(cause)}`}; what was not acked is not kept. Check the disk, then start again: ` +
      "everything acked is recovered",
    { cause },
  );
}
