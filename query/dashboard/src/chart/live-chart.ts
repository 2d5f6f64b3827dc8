import { type Signal, signal } from "@preact/signals";
import type { Services } from "../services.ts";
import { fixedRange } from "../state/time-range.ts";
import type { Points } from "./band.ts";
import { chartColumns } from "./chart-columns.ts";
import type { ChartSource } from "./chart-source.ts";
import { type ChartLook, ChartView } from "./chart-view.ts";
import { type LineStyle, lineStyle } from "./colours.ts";
import type { Drawable } from "./frame-loop.ts";
import { numberText } from "./number-text.ts";
import type { ChartTable } from "./table-behind.tsx";
import { timeText } from "./time-text.ts";

const tableRowsMax = 20;
/** A table that changes all the time cannot be heard to its end. */
const tableMsMin = 10_000;

export interface LiveChartOptions {
  readonly services: Services;
  readonly source: ChartSource;
  readonly title: string;
  readonly labels: readonly string[];
  readonly look: ChartLook;
}

/** The part of a chart that data move: it renders nothing anew but the texts of its signals. */
export class LiveChart implements Drawable {
  readonly styles: readonly LineStyle[];
  readonly readings: readonly Signal<string>[];
  readonly table: Signal<ChartTable>;
  readonly #services: Services;
  readonly #source: ChartSource;
  readonly #look: ChartLook;
  #view: ChartView | undefined;
  #place: HTMLElement | undefined;
  #isOnScreen = false;
  #shown = "";
  #tableAtMs = Number.NEGATIVE_INFINITY;

  constructor({ services, source, title, labels, look }: LiveChartOptions) {
    this.#services = services;
    this.#source = source;
    this.#look = look;
    this.styles = labels.map((_, i) => lineStyle(i));
    this.readings = labels.map(() => signal(""));
    this.table = signal({ caption: title, columns: ["time", ...labels], rows: [] });
  }

  /** @returns ends it */
  start(place: HTMLElement): () => void {
    const { link, loop } = this.#services;
    const view = new ChartView(place, this.#look, {
      onZoom: (fromMs, toMs) => link.zoom(fixedRange(fromMs, toMs)),
      onReset: () => link.zoomBack(),
    });
    this.#view = view;
    this.#place = place;
    const sight = new IntersectionObserver((entries) => {
      this.#isOnScreen = entries.at(-1)?.isIntersecting ?? false;
      if (this.#isOnScreen) loop.soon(this);
    });
    const size = new ResizeObserver(() => view.resize());
    sight.observe(place);
    size.observe(place);
    loop.add(this);
    return () => {
      sight.disconnect();
      size.disconnect();
      loop.remove(this);
      view.destroy();
    };
  }

  soon(): void {
    if (this.#view !== undefined) this.#services.loop.soon(this);
  }

  isDue(): boolean {
    return this.#isOnScreen && this.#signature() !== this.#shown;
  }

  draw(): void {
    const { link, isDark, clock } = this.#services;
    if (this.#view === undefined || this.#place === undefined) return;
    this.#shown = this.#signature();
    const { zone } = link.state.peek();
    const span = this.#source.span();
    const { points, widthMs } = this.#source.read(span, this.#place.clientWidth);
    this.#view.draw({
      columns: chartColumns(points, widthMs),
      span,
      styles: this.styles,
      thresholds: this.#source.thresholds,
      zone,
      isDark: isDark.peek(),
    });
    for (const [i, { lines }] of points.entries()) this.readings[i].value = numberText(lines.at(-1) ?? Number.NaN);
    if (clock.elapsedMs() - this.#tableAtMs >= tableMsMin) {
      this.#tableAtMs = clock.elapsedMs();
      this.table.value = { ...this.table.peek(), rows: rowsOf(points, (timeMs) => timeText(timeMs, zone)) };
    }
  }

  /** All that a drawing depends on. */
  #signature(): string {
    const { link, isDark, pause } = this.#services;
    const { fromMs, toMs } = this.#source.span();
    // A day that moves on by a second looks the same: about a pixel has to pass.
    const stepMs = Math.max(1_000, (toMs - fromMs) / 1_000);
    const span = [Math.floor(fromMs / stepMs), Math.round((toMs - fromMs) / stepMs)];
    const { zone } = link.state.peek();
    return JSON.stringify([span, zone, isDark.peek(), pause.sinceMs.peek(), this.#source.version()]);
  }
}

/** The latest first. */
function rowsOf(points: readonly Points[], time: (timeMs: number) => string): string[][] {
  const starts = [...new Set(points.flatMap(({ starts }) => starts.slice(-tableRowsMax)))].sort((a, b) => b - a);
  return starts.slice(0, tableRowsMax).map((start) => [
    time(start),
    ...points.map(({ starts, lines, isProvisional }) => {
      const at = starts.indexOf(start);
      return at < 0 ? "" : numberText(lines[at]) + (isProvisional[at] ? " (provisional)" : "");
    }),
  ]);
}
