import type { Body } from "./bodies.ts";

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

/** What the series of devices hold whose batches are made of these bodies in turn. */
export class ExpectedContent {
  /** By body: the content of each of its metrics. */
  readonly #ofBodies: readonly ReadonlyMap<number, SeriesContent>[];

  constructor(bodies: readonly Body[]) {
    this.#ofBodies = bodies.map(contentOfBody);
  }

  /**
   * @param first body of the device's first batch
   * @param batches that are settled, from the first on
   * @returns by metric handle; without those that have had no sample
   */
  of(first: number, batches: number): Map<number, SeriesContent> {
    const expected = new Map<number, SeriesContent>();
    const bodies = this.#ofBodies.length;
    for (let turn = 0; turn < Math.min(bodies, batches); turn += 1) {
      const times = Math.floor((batches - 1 - turn) / bodies) + 1;
      for (const [metric, content] of this.#ofBodies[(first + turn) % bodies]) {
        const series = expected.get(metric) ?? noContent();
        expected.set(metric, series);
        addContent(series, content, times);
      }
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
