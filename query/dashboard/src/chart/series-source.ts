import type { Services } from "../services.ts";
import { SeriesColumns } from "../state/series-columns.ts";
import { type Span, spanOf } from "../state/time-range.ts";
import { type Points, pointsOf } from "./band.ts";
import type { ChartSource } from "./chart-source.ts";
import { downsample } from "./downsample.ts";

/** A series that is not known yet. */
const nothing = new SeriesColumns("gauge");

/** Series of the store, as the link says how. */
export class SeriesSource implements ChartSource {
  readonly #services: Services;
  readonly #keys: readonly string[];

  /** @param keys of `seriesKey` */
  constructor(services: Services, keys: readonly string[]) {
    this.#services = services;
    this.#keys = keys;
  }

  get thresholds(): readonly number[] {
    return this.#services.link.state.peek().thresholds;
  }

  span(): Span {
    return spanOf(this.#services.link.state.peek().range, this.#services.pause.nowMs());
  }

  /** While it is paused data change nothing. */
  version(): string {
    const { link, pause, feed, store } = this.#services;
    const { band, thresholds } = link.state.peek();
    const isPaused = pause.sinceMs.peek() !== undefined;
    const versions = isPaused ? [] : this.#keys.map((key) => store.get(key)?.version ?? 0);
    return JSON.stringify([band, thresholds, feed.tierMs.peek(), versions]);
  }

  read(span: Span, pointsMax: number): { points: readonly Points[]; widthMs: number } {
    const { link, feed, store } = this.#services;
    const { band } = link.state.peek();
    const tierMs = feed.tierMs.peek() || 10_000;
    let widthMs = tierMs;
    const points = this.#keys.map((key) => {
      const all = pointsOf(store.get(key) ?? nothing, span, tierMs, band);
      const [drawn, width] = downsample(all, tierMs, span.toMs - span.fromMs, pointsMax);
      widthMs = width;
      return drawn;
    });
    return { points, widthMs };
  }
}
