import type { AggregateReader, JournalReader, SeriesRow } from "../../lib/store/store.ts";
import { SampleAnswer, type SamplePage, type SampleRequest } from "../../query/sample-answer.ts";
import { SampleScan } from "../../query/sample-scan.ts";

/** A sample in few words. */
export interface RawSample {
  readonly device: string;
  readonly metric: string;
  readonly timeMs: number;
  readonly value: number;
}

export const everything: SampleRequest = {
  selector: { deviceIds: undefined, metricNames: undefined },
  fromMs: Number.MIN_SAFE_INTEGER,
  toMs: Number.MAX_SAFE_INTEGER,
  nowMs: 0,
};

/** An answer that is read page by page. */
export class RawRead {
  readonly samples: RawSample[] = [];
  readonly pages: SamplePage[] = [];
  /** As the pages told them. */
  readonly series = new Map<number, SeriesRow>();
  readonly #answer: SampleAnswer;

  constructor(
    journal: JournalReader,
    reader: AggregateReader,
    request: Partial<SampleRequest> = {},
    scan = new SampleScan(journal),
  ) {
    this.#answer = new SampleAnswer(scan, reader, { ...everything, ...request });
  }

  /** @returns whether there was a page */
  next(samplesMax: number): boolean {
    const page = this.#answer.next(samplesMax);
    if (page === undefined) return false;
    this.pages.push(page);
    for (const row of page.series) {
      if (this.series.has(row.id)) throw new Error(`series ${row.id} was told twice`);
      this.series.set(row.id, row);
    }
    for (const [i, id] of page.seriesIds.entries()) {
      const row = this.series.get(id);
      if (row === undefined) throw new Error(`series ${id} was not told`);
      this.samples.push({ device: row.deviceId, metric: row.name, timeMs: page.timesMs[i], value: page.values[i] });
    }
    return true;
  }

  /** Reads to the end. */
  all(samplesMax = 1_000): RawSample[] {
    while (this.next(samplesMax));
    return this.samples;
  }
}
