import type { MicroPlan } from "../micro/main.ts";
import type { MicroName } from "../micro/run.ts";
import type { MicroTrial } from "../results.ts";
import { Child } from "./child.ts";
import { inScratch } from "./scratch.ts";

const endGraceMs = 5_000;

/** Runs a micro benchmark in a fresh process. @throws Error when it breaks, or is ended early */
export async function microTrials(name: MicroName, signal: AbortSignal): Promise<readonly MicroTrial[]> {
  return await inScratch("micro", async (dir) => {
    const trials = Promise.withResolvers<readonly MicroTrial[]>();
    const child = new Child("../micro/main", import.meta.url, { name, dir } satisfies MicroPlan, (message) =>
      trials.resolve(message as readonly MicroTrial[]),
    );
    const onAbort = () => trials.reject(new Error("interrupted"));
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) onAbort();
    try {
      return await Promise.race([trials.promise, child.failed]);
    } finally {
      signal.removeEventListener("abort", onAbort);
      await child.end(signal.aborted ? 0 : endGraceMs);
    }
  });
}
