import { type Signal, useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { waitFor } from "../../../../lib/base/wait.ts";
import { useServices } from "../services.ts";
import { errorText } from "./transport.ts";

export interface Polled<T> {
  /** The latest answer; undefined: there has been none. */
  readonly value: Signal<T | undefined>;
  /** Why the latest call failed; empty: it did not. */
  readonly problem: Signal<string>;
}

/**
 * Asks again and again while somebody looks.
 * @param of names what is asked: when it changes, it is asked at once
 */
export function usePoll<T>(of: string, everyMs: number, ask: (signal: AbortSignal) => Promise<T>): Polled<T> {
  const { awake, api } = useServices();
  const value = useSignal<T | undefined>(undefined);
  const problem = useSignal("");
  // With another token the answer may be another.
  const token = api.token.value;
  // Of and token say when ask has changed.
  useEffect(() => {
    const ending = new AbortController();
    void poll(ending.signal);
    return () => ending.abort();

    async function poll(signal: AbortSignal): Promise<void> {
      while (!signal.aborted) {
        await awake.untilVisible(signal);
        try {
          const answer = await ask(signal);
          if (signal.aborted) return;
          value.value = answer;
          problem.value = "";
        } catch (error) {
          if (signal.aborted) return;
          problem.value = errorText(error);
        }
        await waitFor(everyMs, signal);
      }
    }
  }, [of, token, everyMs]);
  return { value, problem };
}
