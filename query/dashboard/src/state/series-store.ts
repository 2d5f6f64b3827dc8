import type { Window } from "../../../../lib/wire/frame-reader.ts";
import { seriesKey } from "./pick.ts";
import { SeriesColumns } from "./series-columns.ts";

/** Series of a tab: as many as can be picked, or groups by label. With all their windows, some 100 MiB. */
export const seriesMax = 200;

/** What is known of the series that are on the page, by `seriesKey`. */
export class SeriesStore {
  readonly #series = new Map<string, SeriesColumns>();

  get(key: string): SeriesColumns | undefined {
    return this.#series.get(key);
  }

  get keys(): Iterable<string> {
    return this.#series.keys();
  }

  /**
   * @param windows of one frame
   * @param isWanted by key: a selector has each device with each metric, and not each of them was chosen
   */
  put(windows: Iterable<Window>, revision: number, isWanted: (key: string) => boolean): void {
    for (const window of windows) {
      const key = seriesKey(window.deviceId, window.metric, window.group);
      if (!isWanted(key)) continue;
      let series = this.#series.get(key);
      if (series === undefined) {
        if (this.#series.size >= seriesMax) continue;
        series = new SeriesColumns(window.metricKind);
        this.#series.set(key, series);
      }
      series.put(window, revision);
    }
  }

  /** Forgets the others. */
  keep(isWanted: (key: string) => boolean): void {
    for (const key of this.#series.keys()) if (!isWanted(key)) this.#series.delete(key);
  }

  clear(): void {
    this.#series.clear();
  }
}
