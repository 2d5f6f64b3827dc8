import { type Signal, signal } from "@preact/signals";
import type { Clock } from "../../../../lib/base/clock.ts";
import { rangeDefault, type TimeRange } from "./time-range.ts";
import { formatUrl, readUrl, type UrlState } from "./url-state.ts";

/** The address of the page, which is its state. */
export class Link {
  readonly state: Signal<UrlState>;
  /** What of the address could not be used. */
  readonly ignored: Signal<readonly string[]>;
  readonly #window: Window;
  readonly #clock: Clock;
  /** What was shown before each zoom. */
  #zooms: TimeRange[] = [];

  constructor(page: Window, clock: Clock) {
    this.#window = page;
    this.#clock = clock;
    const { state, ignored } = readUrl(page.location.hash, clock.nowMs());
    this.state = signal(state);
    this.ignored = signal(ignored);
    page.addEventListener("hashchange", () => this.#read());
    page.addEventListener("popstate", () => this.#read());
  }

  /** Of what it would be with changes. */
  href(changes: Partial<UrlState>): string {
    return formatUrl({ ...this.state.value, ...changes });
  }

  /** A step that "back" takes back. */
  go(changes: Partial<UrlState>): void {
    this.#set(changes, "pushState");
  }

  /** What is typed is no step of its own. */
  replace(changes: Partial<UrlState>): void {
    this.#set(changes, "replaceState");
  }

  zoom(range: TimeRange): void {
    this.#zooms.push(this.state.peek().range);
    this.go({ range });
  }

  /** To what was shown before the latest zoom. */
  zoomBack(): void {
    this.go({ range: this.#zooms.pop() ?? rangeDefault });
  }

  #set(changes: Partial<UrlState>, how: "pushState" | "replaceState"): void {
    const state = { ...this.state.peek(), ...changes };
    const hash = formatUrl(state);
    if (hash === formatUrl(this.state.peek())) return;
    this.#window.history[how](null, "", hash);
    this.state.value = state;
    this.ignored.value = [];
  }

  #read(): void {
    const { state, ignored } = readUrl(this.#window.location.hash, this.#clock.nowMs());
    this.ignored.value = ignored;
    if (formatUrl(state) !== formatUrl(this.state.peek())) this.state.value = state;
  }
}
