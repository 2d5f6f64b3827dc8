import { Change } from "../../../../lib/base/wait.ts";

/** A tab that has been out of sight for so long lets its streams go: a browser has six connections for all tabs of a server. */
const sleepAfterMs = 30_000;
const hiddenLookMs = 60_000;

/** Whether anybody looks. */
export class Awake {
  readonly #document: Document;
  #sleep = new AbortController();
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #waiting = new Change();

  constructor(page: Document) {
    this.#document = page;
    page.addEventListener("visibilitychange", () => this.#onChange());
    this.#onChange();
  }

  get isVisible(): boolean {
    return this.#document.visibilityState === "visible";
  }

  /** Aborted when the tab has been out of sight for a while; a new one each time it comes back. */
  get sleeping(): AbortSignal {
    return this.#sleep.signal;
  }

  /** Resolves when the tab is in sight, or the signal is aborted. */
  async untilVisible(signal: AbortSignal): Promise<void> {
    while (!this.isVisible && !signal.aborted) {
      await this.#waiting.wait(hiddenLookMs, signal);
    }
  }

  #onChange(): void {
    clearTimeout(this.#timer);
    if (!this.isVisible) {
      this.#timer = setTimeout(() => this.#sleep.abort(), sleepAfterMs);
      return;
    }
    if (this.#sleep.signal.aborted) this.#sleep = new AbortController();
    this.#waiting.tell();
  }
}
