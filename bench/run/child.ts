import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";

/** A program of the benchmark in a process of its own, which talks by messages. */
export class Child {
  /** Rejects when the process ends before `end` was called. */
  readonly failed: Promise<never>;
  readonly #process: ChildProcess;
  readonly #exited: Promise<void>;
  #isEnding = false;

  /**
   * @param name of the module beside `from`, without its ending: `.ts` in a checkout, `.js` in the published package
   * @param argument handed over as JSON
   */
  constructor(name: string, from: string, argument: unknown, onMessage: (message: unknown) => void) {
    const file = fileURLToPath(new URL(`${name}${from.endsWith(".ts") ? ".ts" : ".js"}`, from));
    this.#process = fork(file, [JSON.stringify(argument)], {
      stdio: ["ignore", "ignore", "pipe", "ipc"],
    });
    let lastWords = "";
    this.#process.stderr?.on("data", (text: Buffer) => {
      lastWords = (lastWords + text.toString()).slice(-2_000);
    });
    this.#process.on("message", onMessage);
    const failed = Promise.withResolvers<never>();
    failed.promise.catch(() => {});
    this.failed = failed.promise;
    this.#exited = new Promise((resolve) => {
      this.#process.on("error", (error) => {
        failed.reject(error);
        resolve();
      });
      this.#process.on("exit", (code, signal) => {
        if (!this.#isEnding) failed.reject(new Error(`${name} has ended with ${signal ?? code}: ${lastWords.trim()}`));
        resolve();
      });
    });
  }

  /** Nothing is sent to a process that has ended: `failed` tells. */
  send(message: object): void {
    if (this.#process.connected) this.#process.send(message);
  }

  /** Waits for the process to end by itself, and ends it after `graceMs`. */
  async end(graceMs: number): Promise<void> {
    this.#isEnding = true;
    const timer = setTimeout(() => this.#process.kill("SIGKILL"), graceMs);
    await this.#exited;
    clearTimeout(timer);
  }
}
