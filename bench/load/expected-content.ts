import type { Bodies, Body } from "./bodies.ts";

/** What the windows of a series hold together. */
export interface SeriesContent {
  count: number;
  sum: number;
  min: number;
  max: number;
}

export function noContent(): SeriesContent {
  return { count: 0, sum: 0, min: Number.POSITIVE_INFINITY, max: Number.NEGATIVE_INFINITY };
}

/** Puts `times` times the same content into a series. */
export function addContent(to: SeriesContent, { count, sum, min, max }: SeriesContent, times = 1): void {
  if (times === 0) return;
  to.count += times * count;
  to.sum += times * sum;
  to.min = Math.min(to.min, min);
  to.max = Math.max(to.max, max);
}

/** What the series of devices hold whose batches are the primer first, and then made of the bodies in turn. */
export class ExpectedContent {
  /** By body: the content of each of its metrics. */
  readonly #ofBodies: readonly ReadonlyMap<number, SeriesContent>[];
  readonly #ofPrimer: ReadonlyMap<number, SeriesContent>;

  constructor({ all, primer }: Pick<Bodies, "all" | "primer">) {
    this.#ofBodies = all.map(contentOfBody);
    this.#ofPrimer = contentOfBody(primer);
  }

  /**
   * @param first body of the device's first batch after the primer
   * @param batches that are settled, from the primer on
   * @returns by metric handle; without those that have had no sample
   */
  of(first: number, batches: number): Map<number, SeriesContent> {
    const expected = new Map<number, SeriesContent>();
    const add = (contents: ReadonlyMap<number, SeriesContent>, times: number) => {
      for (const [metric, content] of contents) {
        const series = expected.get(metric) ?? noContent();
        expected.set(metric, series);
        addContent(series, content, times);
      }
    };
    if (batches > 0) add(this.#ofPrimer, 1);
    const bodies = this.#ofBodies.length;
    for (let turn = 0; turn < Math.min(bodies, batches - 1); turn += 1) {
      add(this.#ofBodies[(first + turn) % bodies], Math.floor((batches - 2 - turn) / bodies) + 1);
    }
    return expected;
  }
}

function contentOfBody({ metricHandles, offsetsMs, values }: Body): Map<number, SeriesContent> {
  const times = offsetsMs.length;
  return new Map(
    metricHandles.map((handle, m) => {
      const content = noContent();
      for (const value of values.subarray(m * times, (m + 1) * times)) {
        addContent(content, { count: 1, sum: value, min: value, max: value });
      }
      return [handle, content];
    }),
  );
}
