import { Worker, type WorkerOptions } from "node:worker_threads";

/**
 * Starts a module beside `from` as a worker thread.
 * @param name the module without its ending: `.ts` in a checkout, `.js` in the published package.
 */
export function startThread(name: string, from: string, options: WorkerOptions): Worker {
  const ending = from.endsWith(".ts") ? ".ts" : ".js";
  return new Worker(new URL(`${name}${ending}`, from), options);
}
