import { closeSync, fstatSync, ftruncateSync, openSync, readSync, writeSync } from "node:fs";
import { errorMessage, TelemetryError } from "../../lib/base/errors.ts";
import type { Keeper } from "../uplink/seal-group.ts";
import type { LogEvent } from "./log-event.ts";

const newline = 0x0a;
const chunkBytes = 64 * 1024;

/**
 * Tells what a sender has sealed and has seen, so that it can be held against what the server has counted.
 * Written once per turn of the event loop, and before what it tells can be seen elsewhere. It is not synced:
 * it survives the end of the process, not that of the machine.
 */
export class DeliveryLog implements Keeper {
  readonly #file: number;
  #lines: string[] = [];

  /**
   * Goes on with the file when it is there.
   * @throws TelemetryError when it cannot be opened
   */
  constructor(path: string) {
    try {
      this.#file = openSync(path, "a+");
      cutTornLine(this.#file);
    } catch (error) {
      throw new TelemetryError(
        "INVALID_ARGUMENT",
        "UNUSABLE_FILE",
        `--log ${path} cannot be written: ${errorMessage(error)}; check the path and its permissions`,
        { field: "--log", cause: error },
      );
    }
  }

  add(event: LogEvent): void {
    if (this.#lines.push(JSON.stringify(event)) === 1) setImmediate(() => this.commit());
  }

  /** Returns when everything that was added is written. */
  commit(): void {
    if (this.#lines.length === 0) return;
    const bytes = Buffer.from(`${this.#lines.join("\n")}\n`);
    this.#lines = [];
    for (let at = 0; at < bytes.length; ) at += writeSync(this.#file, bytes, at);
  }

  close(): void {
    this.commit();
    closeSync(this.#file);
  }
}

/** A process that ended while it wrote leaves half a line: nobody has acted on it. */
function cutTornLine(file: number): void {
  const chunk = Buffer.alloc(chunkBytes);
  let end = fstatSync(file).size;
  while (end > 0) {
    const start = Math.max(0, end - chunkBytes);
    const length = readSync(file, chunk, 0, end - start, start);
    const at = chunk.subarray(0, length).lastIndexOf(newline);
    if (at !== -1) {
      ftruncateSync(file, start + at + 1);
      return;
    }
    end = start;
  }
  ftruncateSync(file, 0);
}
