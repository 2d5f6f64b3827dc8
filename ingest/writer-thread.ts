import { parentPort, workerData } from "node:worker_threads";
import { TelemetryError, toFields } from "../lib/base/errors.ts";
import { armFault } from "../lib/base/faults.ts";
import { openSqliteStore } from "../lib/store/sqlite/sqlite-store.ts";
import { recover } from "./recovery.ts";
import { WriterLoop } from "./writer-loop.ts";
import type { FromWriter, WriterOptions } from "./writer-messages.ts";

/** The writer thread: it alone writes to the store. Started by `Writer`. */

if (parentPort === null) throw new Error("this module is a worker thread");
const port = parentPort;
const post = (message: FromWriter) => port.postMessage(message);
const { fault, latenessMs, quotas, ...options } = workerData as WriterOptions;
try {
  if (fault !== undefined) armFault(fault);
  const store = openSqliteStore(options);
  const recoveredGroups = recover(store);
  new WriterLoop(port, store, quotas, latenessMs);
  const { incarnation, durability, pragmas } = store;
  post({ kind: "ready", incarnation, durability, pragmas, recoveredGroups });
} catch (error) {
  if (!(error instanceof TelemetryError)) throw error;
  post({ kind: "failed", error: toFields(error) });
  port.close();
}
