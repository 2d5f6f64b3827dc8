import uPlot from "uplot";
import type { Span } from "../state/time-range.ts";
import type { ZoneName } from "../state/url-state.ts";
import { columnsPerSeries } from "./chart-columns.ts";
import { faded, type LineStyle, provisionalDash } from "./colours.ts";
import { numberText } from "./number-text.ts";
import { axisTexts } from "./time-text.ts";

export interface ChartInput {
  /** Of `chartColumns`. */
  readonly columns: uPlot.AlignedData;
  readonly span: Span;
  readonly styles: readonly LineStyle[];
  readonly thresholds: readonly number[];
  readonly zone: ZoneName;
  readonly isDark: boolean;
}

/** What does not change as long as there is the chart. */
export interface ChartLook {
  /** Of the values, for people; may be empty. */
  readonly unit: string;
  readonly heightPx: number;
  /** A figure of the last minutes: it is seen from 0, and there is nothing to zoom into. */
  readonly isFromZero: boolean;
}

export interface ChartEvents {
  /** A stretch of time was dragged over. */
  onZoom(fromMs: number, toMs: number): void;
  onReset(): void;
}

const font = "12px system-ui, sans-serif";
/** Room that a time of hours and minutes takes under the chart, one with seconds, and a value beside it. */
const spacePx = { time: 48, seconds: 72, value: 36 };
const digitPx = 7.2;
/** Text at 4.5:1 on the page. */
const inks = {
  light: { text: "#4a5560", grid: "#e8ecf0", threshold: "#b3261e" },
  dark: { text: "#b4bec8", grid: "#28313a", threshold: "#ff8a80" },
};

/** One uPlot, made anew only when its lines, its theme or its time zone change. */
export class ChartView {
  readonly #place: HTMLElement;
  readonly #look: ChartLook;
  readonly #events: ChartEvents;
  #plot: uPlot | undefined;
  #made = "";
  #input: ChartInput | undefined;

  /** @param place its width is the chart's */
  constructor(place: HTMLElement, look: ChartLook, events: ChartEvents) {
    this.#place = place;
    this.#look = look;
    this.#events = events;
  }

  draw(input: ChartInput): void {
    this.#input = input;
    const make = JSON.stringify([input.styles, input.zone, input.isDark]);
    if (this.#plot === undefined || make !== this.#made) {
      this.#plot?.destroy();
      this.#made = make;
      this.#plot = new uPlot(this.#options(input), input.columns, this.#place);
    }
    const plot = this.#plot;
    const { fromMs, toMs } = input.span;
    // One redraw for both.
    plot.batch(() => {
      plot.setData(input.columns, false);
      plot.setScale("x", { min: fromMs, max: toMs });
    });
  }

  /** To the width of its place. */
  resize(): void {
    const width = this.#place.clientWidth;
    if (this.#plot !== undefined && width > 0 && width !== this.#plot.width) {
      this.#plot.setSize({ width, height: this.#look.heightPx });
    }
  }

  destroy(): void {
    this.#plot?.destroy();
    this.#plot = undefined;
  }

  #options({ styles, zone, isDark }: ChartInput): uPlot.Options {
    const ink = isDark ? inks.dark : inks.light;
    const { unit, heightPx, isFromZero } = this.#look;
    const axis = {
      stroke: ink.text,
      font,
      grid: { stroke: ink.grid, width: 1 },
      ticks: { show: false },
    };
    const timeAxis: uPlot.Axis = {
      ...axis,
      size: 24,
      space: (_, __, fromMs, toMs, widthPx) =>
        ((toMs - fromMs) / widthPx) * spacePx.time > 30_000 ? spacePx.time : spacePx.seconds,
      values: (_, splits, __, ___, stepMs) => axisTexts(splits, stepMs, zone),
    };
    const valueAxis: uPlot.Axis = {
      ...axis,
      size: (_, texts) => 16 + digitPx * Math.max(3, ...(texts ?? []).map(({ length }) => length)),
      space: spacePx.value,
      values: (_, splits) => splits.map((split) => numberText(split)),
      ...(unit !== "" && { label: unit, labelFont: font, labelSize: 16, labelGap: 0 }),
    };
    return {
      width: Math.max(1, this.#place.clientWidth),
      height: heightPx,
      ms: 1,
      ...(zone === "utc" && { tzDate: (timeMs: number) => uPlot.tzDate(new Date(timeMs), "UTC") }),
      legend: { show: false },
      scales: {
        x: { time: true, range: (_, min, max) => [min, max] },
        y: { range: (_, min, max) => this.#valueRange(min, max) },
      },
      // On the right half a time that stands at the edge.
      padding: [10, 28, 0, 0],
      axes: [timeAxis, valueAxis],
      series: [{}, ...styles.flatMap((style) => seriesOf(style, isDark))],
      bands: styles.map((style, i) => bandOf(style, i, isDark)),
      cursor: {
        drag: { x: !isFromZero, y: false, setScale: false, dist: 6 },
        bind: {
          dblclick: () => () => {
            this.#events.onReset();
            return null;
          },
        },
      },
      hooks: {
        setSelect: [(plot) => this.#onSelect(plot)],
        draw: [(plot) => this.#drawThresholds(plot, ink.threshold)],
      },
    };
  }

  /** Thresholds are in sight, too, and 0 where the look wants it. */
  #valueRange(min: number | null, max: number | null): [number, number] {
    const edge = this.#look.isFromZero ? [0] : [];
    const values = [min, max, ...edge, ...(this.#input?.thresholds ?? [])].filter(
      (value) => value !== null && value !== undefined,
    );
    if (values.length === 0) return [0, 1];
    const [low, high] = uPlot.rangeNum(Math.min(...values), Math.max(...values), 0.1, true);
    return [low ?? 0, high ?? 1];
  }

  #onSelect(plot: uPlot): void {
    const { left, width } = plot.select;
    if (width <= 0) return;
    const [fromMs, toMs] = [plot.posToVal(left, "x"), plot.posToVal(left + width, "x")];
    plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    this.#events.onZoom(fromMs, toMs);
  }

  #drawThresholds(plot: uPlot, stroke: string): void {
    const { ctx, bbox } = plot;
    ctx.save();
    ctx.strokeStyle = stroke;
    ctx.fillStyle = stroke;
    ctx.lineWidth = uPlot.pxRatio;
    ctx.setLineDash([8 * uPlot.pxRatio, 4 * uPlot.pxRatio]);
    for (const value of this.#input?.thresholds ?? []) {
      const y = plot.valToPos(value, "y", true);
      ctx.beginPath();
      ctx.moveTo(bbox.left, y);
      ctx.lineTo(bbox.left + bbox.width, y);
      ctx.stroke();
    }
    ctx.restore();
  }
}

/** As `chartColumns` has them: final line, provisional line, and the edges of the band, which are not drawn. */
function seriesOf(style: LineStyle, isDark: boolean): uPlot.Series[] {
  const stroke = isDark ? style.dark : style.light;
  const edge: uPlot.Series = { width: 0, stroke: "transparent", points: { show: false } };
  return [
    { stroke, width: 2, dash: [...style.dash], points: { size: 5 } },
    { stroke, width: 2, dash: [...provisionalDash], points: { size: 5 } },
    edge,
    edge,
  ];
}

function bandOf(style: LineStyle, number: number, isDark: boolean): uPlot.Band {
  const low = 1 + number * columnsPerSeries + 2;
  return { series: [low + 1, low], fill: faded(isDark ? style.dark : style.light, 0.18) };
}
