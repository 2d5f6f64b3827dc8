import { once } from "node:events";
import type { Worker } from "node:worker_threads";
// A worker that alone has loaded the addon can crash the process when it ends (better-sqlite3 issue 1476).
import "better-sqlite3";
import { frameSamplesMax, frameWindowsMax } from "../lib/base/limits.ts";
import { startThread } from "../lib/base/thread.ts";
import { ThreadCalls, type ThreadReply } from "../lib/base/thread-calls.ts";
import type { AnswerPage, AnswerRequest } from "./range-answer.ts";
import type { ReaderCalls, ReaderOptions, ToReader } from "./reader-messages.ts";
import type { SamplePage, SampleRequest } from "./sample-answer.ts";

/** Reads the store on a thread of its own, so that a heavy query never holds up an ack. */
export class Reader {
  readonly #worker: Worker;
  readonly #calls: ThreadCalls<ReaderCalls>;
  #nextRange = 1;

  constructor(options: ReaderOptions) {
    this.#worker = startThread("./reader-thread", import.meta.url, { workerData: options });
    this.#calls = new ThreadCalls((call) => this.#worker.postMessage(call));
    this.#worker.on("message", (reply: ThreadReply) => this.#calls.onReply(reply));
    this.#worker.on("error", (error) => this.#calls.failAll(error));
    this.#worker.on("exit", () => this.#calls.failAll(new Error("the reader thread has ended")));
  }

  call<K extends keyof ReaderCalls>(name: K, ...args: Parameters<ReaderCalls[K]>): Promise<ReturnType<ReaderCalls[K]>> {
    return this.#calls.call(name, ...args);
  }

  /** The pages of a range, each read when it is asked for. */
  async *range(request: AnswerRequest): AsyncGenerator<AnswerPage, void> {
    const range = this.#nextRange++;
    await this.call("openRange", range, request);
    try {
      for (;;) {
        const page = await this.call("nextPage", range, frameWindowsMax);
        if (page === undefined) return;
        yield page;
      }
    } finally {
      // Not awaited: the thread may have ended.
      this.call("closeRange", range).catch(() => {});
    }
  }

  /** The samples of a selection, each page read when it is asked for. */
  async *samples(request: SampleRequest): AsyncGenerator<SamplePage, void> {
    const samples = this.#nextRange++;
    await this.call("openSamples", samples, request);
    try {
      for (;;) {
        const page = await this.call("nextSamples", samples, frameSamplesMax);
        if (page === undefined) return;
        yield page;
      }
    } finally {
      // Not awaited: the thread may have ended.
      this.call("closeSamples", samples).catch(() => {});
    }
  }

  async close(): Promise<void> {
    const exit = once(this.#worker, "exit");
    this.#worker.postMessage({ name: "close" } satisfies ToReader);
    await exit;
  }
}
