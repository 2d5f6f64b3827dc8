import { systemClock } from "../lib/base/clock.ts";
import { formatTime } from "../lib/base/time.ts";
import type { WatchEvent } from "./resumed-windows.ts";
import { SeriesView } from "./series-view.ts";
import { faint, lineWidth, log, printJson } from "./terminal.ts";
import { windowRow } from "./window-row.ts";

/** How long the screen says that it has resumed. */
const resumedShownMs = 10_000;

const lostText = "connection lost, trying again";
const anewText = "the server has another database, showing it from now on";

function resumedText(afterMs: number): string {
  return `resumed after ${Math.max(1, Math.round(afterMs / 1_000))} s`;
}

/** Shows the current window of each series in place, and how the connection is. */
export class WatchScreen {
  readonly #address: string;
  readonly #draw: (text: string) => void;
  readonly #view = new SeriesView();
  #notice: { readonly text: string; readonly untilMs: number } | undefined;

  constructor(address: string, draw: (text: string) => void) {
    this.#address = address;
    this.#draw = draw;
  }

  show(event: WatchEvent): void {
    const nowMs = systemClock.elapsedMs();
    if (event.kind === "windows") for (const window of event.windows) this.#view.add(window);
    else if (event.kind === "lost") this.#notice = { text: lostText, untilMs: Number.POSITIVE_INFINITY };
    else if (event.kind === "resumed") {
      this.#notice = { text: resumedText(event.afterMs), untilMs: nowMs + resumedShownMs };
    } else if (event.kind === "anew") {
      this.#view.clear();
      this.#notice = { text: anewText, untilMs: nowMs + resumedShownMs };
    }
    if (this.#notice !== undefined && nowMs > this.#notice.untilMs) this.#notice = undefined;
    const rows = Math.max(5, (process.stdout.rows ?? 24) - 4);
    const title = `${this.#view.size} series at ${this.#address}, ${formatTime(systemClock.nowMs()).slice(11, 19)}Z`;
    const notice = this.#notice === undefined ? "" : `, ${this.#notice.text}`;
    this.#draw([title + notice, "", ...this.#view.lines(rows, lineWidth()), "", faint("Ctrl-C ends")].join("\n"));
  }
}

/** Prints each change as a line of JSON, and on standard error how the connection is. */
export class WatchLines {
  readonly #quantiles: readonly number[];

  constructor(quantiles: readonly number[]) {
    this.#quantiles = quantiles;
  }

  show(event: WatchEvent): void {
    if (event.kind === "windows") for (const window of event.windows) printJson(windowRow(window, this.#quantiles));
    else if (event.kind === "lost") log.warn(lostText);
    else if (event.kind === "resumed") log.info(resumedText(event.afterMs));
    else if (event.kind === "anew") log.warn(anewText);
  }
}
