import { getEventListeners } from "node:events";
import { expect, it, onTestFinished, vi } from "vitest";
import { waitFor } from "../../lib/base/wait.ts";

/** Longer than any test may take. */
const everMs = 1_000_000;

it("waits until it is woken", async () => {
  const { signal } = new AbortController();
  const armed: ((() => void) | undefined)[] = [];
  const waiting = waitFor(everMs, signal, (wake) => armed.push(wake));
  armed[0]?.();
  await waiting;
  expect(armed).toEqual([expect.any(Function), undefined]);
});

it("waits until the signal is aborted", async () => {
  const controller = new AbortController();
  const waiting = waitFor(everMs, controller.signal);
  controller.abort();
  await waiting;
  await waitFor(everMs, controller.signal);
});

it("waits as long as asked, and not shorter", async () => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  let over = false;
  const waiting = waitFor(250, new AbortController().signal).then(() => (over = true));
  await vi.advanceTimersByTimeAsync(249);
  expect(over).toBe(false);
  await vi.advanceTimersByTimeAsync(1);
  await waiting;
});

it("leaves no listener on a signal that is used again and again", async () => {
  const { signal } = new AbortController();
  for (let i = 0; i < 20; i += 1) await waitFor(Number.POSITIVE_INFINITY, signal, (wake) => wake?.());
  expect(getEventListeners(signal, "abort")).toEqual([]);
});
