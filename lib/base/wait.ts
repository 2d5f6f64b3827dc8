/** For who does not wait for a signal. */
export const neverAborted = new AbortController().signal;

const timerMsMax = 2 ** 31 - 1;

/**
 * Resolves after `timeoutMs`, when the signal is aborted, or when `arm` has its argument called: whichever
 * is first. It leaves nothing behind, however often it is called with one signal.
 */
export async function waitFor(
  timeoutMs: number,
  signal: AbortSignal,
  arm?: (wake: (() => void) | undefined) => void,
): Promise<void> {
  if (signal.aborted) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  const wake = () => resolve();
  const endsAtMs = performance.now() + timeoutMs;
  // A timer holds 31 bits; a longer one would fire at once.
  const onTimer = () => {
    const leftMs = endsAtMs - performance.now();
    if (leftMs < 1) wake();
    else timer = setTimeout(onTimer, Math.min(leftMs, timerMsMax));
  };
  let timer = setTimeout(onTimer, Math.min(timeoutMs, timerMsMax));
  signal.addEventListener("abort", wake);
  arm?.(wake);
  await promise;
  arm?.(undefined);
  signal.removeEventListener("abort", wake);
  clearTimeout(timer);
}

/** Something that may change, and those who wait for that. */
export class Change {
  readonly #waiting = new Set<() => void>();

  /** Lets everyone go on who waits. */
  tell(): void {
    for (const wake of this.#waiting) wake();
  }

  /** Resolves at the next `tell`, after `timeoutMs`, or when the signal is aborted. */
  async wait(timeoutMs: number, signal: AbortSignal): Promise<void> {
    let armed: (() => void) | undefined;
    await waitFor(timeoutMs, signal, (wake) => {
      if (wake !== undefined) this.#waiting.add(wake);
      else if (armed !== undefined) this.#waiting.delete(armed);
      armed = wake;
    });
  }
}
