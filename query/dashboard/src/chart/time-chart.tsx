import { type Signal, signal, useSignalEffect } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { type Services, useServices } from "../services.ts";
import { SeriesColumns } from "../state/series-columns.ts";
import { fixedRange, type Span, spanOf } from "../state/time-range.ts";
import { type Points, pointsOf } from "./band.ts";
import { chartColumns } from "./chart-columns.ts";
import { ChartView } from "./chart-view.ts";
import { type LineStyle, lineStyle } from "./colours.ts";
import { downsample } from "./downsample.ts";
import type { Drawable } from "./frame-loop.ts";
import { numberText } from "./number-text.ts";
import { Swatch } from "./swatch.tsx";
import { type ChartTable, TableBehind } from "./table-behind.tsx";
import { timeText } from "./time-text.ts";

export interface ChartLine {
  /** Of `seriesKey`. */
  readonly key: string;
  readonly label: string;
}

/** A series that is not known yet. */
const nothing = new SeriesColumns("gauge");
const tableRowsMax = 20;
/** A table that changes all the time cannot be heard to its end. */
const tableMsMin = 10_000;

/** Lines over time with their bands, a legend with the latest values, and a table behind it. */
export function TimeChart({ title, lines }: { readonly title: string; readonly lines: readonly ChartLine[] }) {
  const services = useServices();
  const place = useRef<HTMLDivElement>(null);
  const keys = JSON.stringify(lines);
  // Keys is lines by value.
  const chart = useMemo(() => new LiveChart(services, title, lines), [services, title, keys]);

  useEffect(() => (place.current === null ? undefined : chart.start(place.current)), [chart]);
  // What is chosen shows in the next frame; data wait for their second.
  useSignalEffect(() => {
    const { link, isDark, pause } = services;
    void [link.state.value, isDark.value, pause.sinceMs.value];
    chart.soon();
  });

  return (
    <figure class="chart">
      <figcaption>
        <h3>{title}</h3>
        <ul class="legend">
          {lines.map(({ key, label }, i) => (
            <li key={key}>
              <Swatch style={chart.styles[i]} />
              <span>{label}</span> <span class="reading">{chart.readings[i]}</span>
            </li>
          ))}
        </ul>
      </figcaption>
      <div
        class="plot"
        ref={place}
        role="img"
        aria-label={`${title}: ${lines.map(({ label }) => label).join(", ")}. The same figures are in the table below.`}
      />
      <TableBehind table={chart.table} />
    </figure>
  );
}

/** The part of a chart that data move: it renders nothing anew but the texts of its signals. */
class LiveChart implements Drawable {
  readonly styles: readonly LineStyle[];
  readonly readings: readonly Signal<string>[];
  readonly table: Signal<ChartTable>;
  readonly #services: Services;
  readonly #lines: readonly ChartLine[];
  #view: ChartView | undefined;
  #place: HTMLElement | undefined;
  #isOnScreen = false;
  #shown = "";
  #tableAtMs = Number.NEGATIVE_INFINITY;

  constructor(services: Services, title: string, lines: readonly ChartLine[]) {
    this.#services = services;
    this.#lines = lines;
    this.styles = lines.map((_, i) => lineStyle(i));
    this.readings = lines.map(() => signal(""));
    this.table = signal({ caption: title, columns: ["window", ...lines.map(({ label }) => label)], rows: [] });
  }

  /** @returns ends it */
  start(place: HTMLElement): () => void {
    const { link, loop } = this.#services;
    const view = new ChartView(place, {
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
    const { link, feed, isDark, pause, clock } = this.#services;
    if (this.#view === undefined || this.#place === undefined) return;
    this.#shown = this.#signature();
    const { range, band, thresholds, zone } = link.state.peek();
    const span = spanOf(range, pause.nowMs());
    const tierMs = feed.tierMs.peek() || 10_000;
    const known = this.#known();
    let widthMs = tierMs;
    const points = known.map((series): Points => {
      const all = pointsOf(series ?? nothing, span, tierMs, band);
      const [drawn, width] = downsample(all, tierMs, span.toMs - span.fromMs, this.#place?.clientWidth ?? 1);
      widthMs = width;
      return drawn;
    });
    this.#view.draw({
      columns: chartColumns(points, widthMs),
      span,
      styles: this.styles,
      thresholds,
      zone,
      isDark: isDark.peek(),
    });
    for (const [i, { lines }] of points.entries()) this.readings[i].value = numberText(lines.at(-1) ?? Number.NaN);
    if (clock.elapsedMs() - this.#tableAtMs >= tableMsMin) {
      this.#tableAtMs = clock.elapsedMs();
      this.table.value = { ...this.table.peek(), rows: rowsOf(points, (timeMs) => timeText(timeMs, zone)) };
    }
  }

  /** All that a drawing depends on. While it is paused data change nothing. */
  #signature(): string {
    const { link, isDark, pause, feed } = this.#services;
    const { range, band, thresholds, zone } = link.state.peek();
    const span: Span = spanOf(range, pause.nowMs());
    const versions = pause.sinceMs.peek() === undefined ? this.#known().map((series) => series?.version ?? 0) : [];
    // A day that moves on by a second looks the same: about a pixel has to pass.
    const stepMs = Math.max(1_000, (span.toMs - span.fromMs) / 1_000);
    const view = [
      Math.floor(span.fromMs / stepMs),
      Math.round((span.toMs - span.fromMs) / stepMs),
      band,
      thresholds,
      zone,
      isDark.peek(),
    ];
    return JSON.stringify([view, pause.sinceMs.peek(), feed.tierMs.peek(), versions]);
  }

  #known(): (SeriesColumns | undefined)[] {
    return this.#lines.map(({ key }) => this.#services.store.get(key));
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
