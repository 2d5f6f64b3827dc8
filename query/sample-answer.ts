import { sampleScanGroupsMax, sampleSessionsMax, sampleWorkBytesMax } from "../lib/base/limits.ts";
import type { JournalRecord } from "../lib/journal/journal-records.ts";
import type { Selector } from "../lib/store/selector.ts";
import type { AggregateReader, JournalPosition, SeriesRow } from "../lib/store/store.ts";
import { BatchRefused } from "../lib/wire/batch-decoder.ts";
import { SampleColumns, type SampleFilter } from "./sample-columns.ts";
import type { SampleScan } from "./sample-scan.ts";
import { SessionSeries } from "./session-series.ts";

/** Samples of a selection with `fromMs` <= time < `toMs`. */
export interface SampleRequest {
  readonly selector: Selector;
  readonly fromMs: number;
  readonly toMs: number;
  /** The server's time. */
  readonly nowMs: number;
}

export interface SamplePage {
  /** Samples that were received before are deleted. In the first page only; undefined there: none are. */
  readonly keptFromMs: number | undefined;
  /** Ids of their series. */
  readonly seriesIds: Int32Array<ArrayBuffer>;
  readonly timesMs: Float64Array<ArrayBuffer>;
  readonly values: Float64Array<ArrayBuffer>;
  /** Series of these samples that no earlier page has told. */
  readonly series: readonly SeriesRow[];
}

/** Of a group or a record that is passed over, in bytes that would take as long to decode. */
const passedOverBytes = 64;

/**
 * The samples that counted, out of the journal, as it was when the answer began: in the order in which they were settled.
 * Groups that are deleted meanwhile are left out.
 */
export class SampleAnswer {
  readonly #scan: SampleScan;
  readonly #filter: SampleFilter;
  readonly #through: JournalPosition;
  readonly #sessions = new Map<number, SessionSeries>();
  /** Sessions without series that are wanted. */
  readonly #others = new Set<number>();
  readonly #told = new Set<number>();
  /** Series that were deleted meanwhile, with their devices. */
  readonly #gone = new Set<number>();
  /** The group that is read, or was. */
  #position: JournalPosition;
  /** Where in the group to go on; undefined: behind it. */
  #at: { readonly from: number | undefined; readonly skip: number } | undefined;
  #keptFromMs: number | undefined;
  #began = false;

  constructor(scan: SampleScan, reader: AggregateReader, { selector, fromMs, toMs, nowMs }: SampleRequest) {
    this.#scan = scan;
    // Before the series: those of its samples are there when it is.
    const { first, last, receivedMs } = scan.journal.extent();
    this.#keptFromMs = first === 1 ? undefined : (receivedMs ?? nowMs);
    this.#position = first - 1;
    this.#through = last;
    const { series } = reader.select(selector);
    const selected = series && new Set(series);
    const isWanted = (id: number) => (selected?.has(id) ?? true) && !this.#gone.has(id);
    this.#filter = { fromMs, toMs, isWanted };
  }

  /** @returns undefined when everything has been read; the first page always comes, and any may be empty */
  next(samplesMax: number): SamplePage | undefined {
    if (this.#began && this.#isDone) return undefined;
    this.#began = true;
    const columns = new SampleColumns(this.#filter, samplesMax);
    for (let left = sampleWorkBytesMax; left > 0 && !columns.isFull && !this.#isDone; ) {
      left -= this.#at === undefined ? this.#findGroup() : this.#readGroup(columns, left);
    }
    const series = this.#untold(columns);
    columns.remove(this.#gone);
    const keptFromMs = this.#keptFromMs;
    this.#keptFromMs = undefined;
    const { length } = columns;
    return {
      keptFromMs,
      seriesIds: columns.series.slice(0, length),
      timesMs: columns.timesMs.slice(0, length),
      values: columns.values.slice(0, length),
      series,
    };
  }

  get #isDone(): boolean {
    return this.#at === undefined && this.#position >= this.#through;
  }

  /** Goes to the next group that may have samples, or some way towards it. @returns the work, in bytes */
  #findGroup(): number {
    const { fromMs, toMs } = this.#filter;
    const before = this.#position;
    const through = Math.min(this.#through, before + sampleScanGroupsMax);
    const found = this.#scan.journal.findGroup(before, through, fromMs, toMs);
    this.#position = found ?? through;
    if (found !== undefined) this.#at = { from: undefined, skip: 0 };
    return (this.#position - before) * passedOverBytes;
  }

  /** Reads on in the group. @returns the work, in bytes */
  #readGroup(columns: SampleColumns, workMax: number): number {
    const { from, skip } = this.#at ?? { from: undefined, skip: 0 };
    this.#at = undefined;
    const group = this.#scan.group(this.#position);
    if (group === undefined) return 0;
    this.#scan.intake.setBounds(group.bounds);
    let work = 0;
    let at = from;
    let taken = skip;
    for (const record of group.records(from)) {
      if (columns.isFull || work >= workMax) {
        this.#at = { from: at, skip: 0 };
        return work;
      }
      work += passedOverBytes;
      const session = record.bytes.length === 0 ? undefined : this.#sessionOf(record.session);
      if (session !== undefined) {
        work += record.bytes.length;
        this.#readBatch(record, session, columns, taken);
        if (columns.taken !== undefined) {
          this.#at = { from: at, skip: columns.taken };
          return work;
        }
      }
      at = record.end;
      taken = 0;
    }
    return work;
  }

  #readBatch(record: JournalRecord, session: SessionSeries, columns: SampleColumns, skip: number): void {
    const { intake } = this.#scan;
    columns.begin(skip);
    const handles = session.at(this.#position);
    if (handles === undefined) return;
    try {
      intake.read(record.bytes, 0, record.bytes.length, handles);
    } catch (error) {
      // Its device was deleted meanwhile, and some of its handles are gone already.
      if (error instanceof BatchRefused) return;
      throw error;
    }
    intake.runsTo(columns);
  }

  /** Undefined when nothing of the session is wanted, or it is deleted. */
  #sessionOf(id: number): SessionSeries | undefined {
    const known = this.#sessions.get(id);
    if (known !== undefined || this.#others.has(id)) return known;
    const handles = this.#scan.journal.sessionHandles(id);
    const session = handles === undefined ? undefined : new SessionSeries(handles);
    if (session === undefined || !session.hasAny(this.#filter.isWanted)) {
      this.#others.add(id);
      return undefined;
    }
    if (this.#sessions.size === sampleSessionsMax) this.#sessions.clear();
    this.#sessions.set(id, session);
    return session;
  }

  #untold({ series, length }: SampleColumns): SeriesRow[] {
    const rows: SeriesRow[] = [];
    for (let i = 0; i < length; i += 1) {
      const id = series[i];
      if (this.#told.has(id) || this.#gone.has(id)) continue;
      const row = this.#scan.journal.seriesRow(id);
      (row === undefined ? this.#gone : this.#told).add(id);
      if (row !== undefined) rows.push(row);
    }
    return rows;
  }
}
