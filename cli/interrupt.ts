import { systemClock } from "../lib/base/clock.ts";
import { waitFor } from "../lib/base/wait.ts";
import { exitCode } from "./exit.ts";

/** Under npm one Ctrl-C comes twice: from the terminal, and passed on by npm. */
const sameKeyMs = 500;

/**
 * Aborted by the first Ctrl-C or SIGTERM, so that what is under way can end in good order. The second ends
 * the process at once.
 */
export function untilInterrupted(): AbortSignal {
  const controller = new AbortController();
  let firstMs = 0;
  const onSignal = () => {
    const nowMs = systemClock.elapsedMs();
    if (controller.signal.aborted && nowMs - firstMs > sameKeyMs) process.exit(exitCode.interrupted);
    if (controller.signal.aborted) return;
    firstMs = nowMs;
    controller.abort();
  };
  process.on("SIGINT", onSignal);
  process.on("SIGTERM", onSignal);
  return controller.signal;
}

/** Aborted with the other signal, or after so long, which may be more than a timer holds (24 days). */
export function after(durationMs: number, sooner: AbortSignal): AbortSignal {
  const controller = new AbortController();
  void waitFor(durationMs, sooner).then(() => controller.abort());
  return controller.signal;
}

export async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}
