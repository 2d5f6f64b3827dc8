import type { MicroName } from "../micro/run.ts";
import type { MicroTrial } from "../results.ts";
import { Child } from "./child.ts";

/** Runs a micro benchmark in a fresh process. @returns nothing when it is ended early @throws Error when it breaks */
export async function microTrials(name: MicroName, signal: AbortSignal): Promise<readonly MicroTrial[]> {
  const trials = Promise.withResolvers<readonly MicroTrial[]>();
  const child = new Child("../micro/main", import.meta.url, name, (message) =>
    trials.resolve(message as readonly MicroTrial[]),
  );
  const onAbort = () => trials.resolve([]);
  signal.addEventListener("abort", onAbort, { once: true });
  if (signal.aborted) onAbort();
  try {
    return await Promise.race([trials.promise, child.failed]);
  } finally {
    signal.removeEventListener("abort", onAbort);
    await child.end(signal.aborted ? 0 : 5_000);
  }
}
