import { TelemetryError } from "../../lib/base/errors.ts";
import type { GeneratorMessage, GeneratorPlan } from "./messages.ts";
import { runTrial } from "./trial.ts";

/**
 * The load generator's process, started by `fork` with a `GeneratorPlan` as JSON in its first argument. It says how it
 * goes, and ends by itself, also when whoever has started it is gone.
 */
process.once("disconnect", () => process.exit(1));
// A Ctrl-C on the terminal reaches the whole group of processes: whoever has started this one says when it is to end.
process.on("SIGINT", () => {});
process.once("uncaughtException", (error) => void end({ kind: "failed", error: describe(error) }));

try {
  const plan = JSON.parse(process.argv[2] ?? "") as GeneratorPlan;
  await end({ kind: "done", report: await runTrial(plan, say) });
} catch (error) {
  await end({ kind: "failed", error: describe(error) });
}

function say(message: GeneratorMessage): void {
  process.send?.(message);
}

/** The last message: nothing is left to be done when it has gone out. */
async function end(message: GeneratorMessage): Promise<never> {
  await new Promise((resolve) => process.send?.(message, undefined, undefined, resolve));
  process.exit(message.kind === "done" ? 0 : 1);
}

/** What was to be expected in few words; a bug with where it is. */
function describe(error: unknown): string {
  if (error instanceof TelemetryError) return `${error.reason}: ${error.message}`;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
