import { RefusalReason } from "../../proto/gen/telemetry/v1/batch_pb.js";
import { batchSamplesMax, metricHandleMax, timeMsMax, timeMsMin } from "../base/limits.ts";
import { formatTime } from "../base/time.ts";
import { type BatchDecoder, BatchRefused } from "../wire/batch-decoder.ts";

/**
 * What a metric handle has in place of a series id when its metric was over a limit of series. Series ids start at 1.
 */
export const noSeries = 0;

/** Samples of one batch that do not count, for one reason. */
export interface SampleRefusal {
  readonly reason: RefusalReason;
  samples: number;
  /** Of the first such sample. */
  readonly metricHandle: number;
  readonly timeUnixMs: bigint;
  readonly detail: string;
}

/** The times that are taken, in milliseconds since 1970-01-01T00:00:00Z. */
export interface TimeBounds {
  /** Start of the oldest window that any tier keeps. */
  readonly keptFromMs: number;
  readonly latestMs: number;
}

/** @param keptFromMs start of the oldest window that any tier keeps, or -Infinity */
export function timeBounds(keptFromMs: number, nowMs: number, timeAheadMsMax: number): TimeBounds {
  return {
    keptFromMs: Math.max(keptFromMs, timeMsMin),
    latestMs: Math.min(nowMs + timeAheadMsMax, timeMsMax),
  };
}

/** Finds the series of a decoded batch, and takes out the samples that must not be counted. */
export class SampleCheck {
  /** Series id of each entry of `decoder.metricHandles`, after `check`; `noSeries` where all samples are refused. */
  readonly seriesOfMetric = new Int32Array(batchSamplesMax);
  /** After `check`: whether no value is absent. */
  isWhole = true;
  /** Number of the table in which a handle was seen last. */
  readonly #seenIn = new Int32Array(metricHandleMax + 1);
  #tableNumber = 0;
  #keptFromMs = timeMsMin;
  #latestMs = timeMsMax;
  #refusals: SampleRefusal[] = [];

  /** Samples before the one and after the other are refused. */
  setBounds({ keptFromMs, latestMs }: TimeBounds): void {
    this.#keptFromMs = keptFromMs;
    this.#latestMs = latestMs;
  }

  /**
   * Refused samples become absent (NaN) in the decoder's values; their neighbours stay.
   * @param handles series ids by metric handle
   * @throws BatchRefused when a table names a metric that is not registered, or one twice
   */
  check(decoder: BatchDecoder, handles: ReadonlyMap<number, number>): readonly SampleRefusal[] {
    this.#refusals = [];
    this.isWhole = true;
    for (let table = 0; table < decoder.tableCount; table += 1) this.#resolveMetrics(decoder, table, handles);
    for (let table = 0; table < decoder.tableCount; table += 1) {
      this.#checkSeries(decoder, table);
      this.#checkTimes(decoder, table);
      this.#checkValues(decoder, table);
    }
    return this.#refusals;
  }

  #resolveMetrics(decoder: BatchDecoder, table: number, handles: ReadonlyMap<number, number>): void {
    // Wraps after 2^31 tables, which is years; a stale mark would then have to meet its own number.
    this.#tableNumber = (this.#tableNumber + 1) | 0;
    for (let i = decoder.metricStart[table]; i < decoder.metricStart[table + 1]; i += 1) {
      const handle = decoder.metricHandles[i];
      const series = handles.get(handle);
      if (series === undefined) {
        throw unknownMetric(table, handle, "is not registered for this device; register it first");
      }
      if (this.#seenIn[handle] === this.#tableNumber) {
        throw unknownMetric(table, handle, "comes twice; send each metric once per table");
      }
      this.#seenIn[handle] = this.#tableNumber;
      this.seriesOfMetric[i] = series;
    }
  }

  #checkSeries(decoder: BatchDecoder, table: number): void {
    const from = decoder.timeStart[table];
    const times = decoder.timeStart[table + 1] - from;
    let valueAt = decoder.valueStart[table];
    for (let metric = decoder.metricStart[table]; metric < decoder.metricStart[table + 1]; metric += 1) {
      if (this.seriesOfMetric[metric] === noSeries) {
        for (let i = 0; i < times; i += 1) {
          if (Number.isNaN(decoder.values[valueAt + i])) continue;
          this.#refuse(decoder, metric, from + i, valueAt + i, RefusalReason.SERIES_LIMIT, "has no series");
        }
      }
      valueAt += times;
    }
  }

  #checkTimes(decoder: BatchDecoder, table: number): void {
    const { timesMs } = decoder;
    for (let i = decoder.timeStart[table]; i < decoder.timeStart[table + 1]; i += 1) {
      const timeMs = timesMs[i];
      if (timeMs < this.#keptFromMs || timeMs > this.#latestMs) this.#refuseTime(decoder, table, i);
    }
  }

  #refuseTime(decoder: BatchDecoder, table: number, time: number): void {
    const timeMs = decoder.timesMs[time];
    const times = decoder.timeStart[table + 1] - decoder.timeStart[table];
    let value = decoder.valueStart[table] + time - decoder.timeStart[table];
    for (let metric = decoder.metricStart[table]; metric < decoder.metricStart[table + 1]; metric += 1) {
      if (!Number.isNaN(decoder.values[value])) {
        this.#refuse(decoder, metric, time, value, ...this.#timeReason(timeMs));
      }
      value += times;
    }
  }

  #timeReason(timeMs: number): [RefusalReason, string] {
    if (timeMs < timeMsMin || timeMs > timeMsMax) {
      return [
        RefusalReason.TIME_OUT_OF_RANGE,
        `is ${timeMs} ms, outside the years 1 to 9999; check the device's clock`,
      ];
    }
    if (timeMs > this.#latestMs) {
      const limit = `too far ahead of the server's clock: taken up to ${formatTime(this.#latestMs)}`;
      const remedy = "check the device's clock, or raise --future-max";
      return [RefusalReason.TIME_IN_FUTURE, `is ${formatTime(timeMs)}, ${limit}; ${remedy}`];
    }
    const oldest = formatTime(this.#keptFromMs);
    return [
      RefusalReason.TIME_BEFORE_RETENTION,
      `is ${formatTime(timeMs)}, older than what any tier keeps (${oldest}); raise --retention`,
    ];
  }

  #checkValues(decoder: BatchDecoder, table: number): void {
    const { values } = decoder;
    for (let i = decoder.valueStart[table]; i < decoder.valueStart[table + 1]; i += 1) {
      const value = values[i];
      // Infinity - Infinity and NaN - NaN are the only differences that are not 0.
      if (value - value === 0) continue;
      this.isWhole = false;
      if (Number.isNaN(value)) continue;
      const times = decoder.timeStart[table + 1] - decoder.timeStart[table];
      const at = i - decoder.valueStart[table];
      const metric = decoder.metricStart[table] + Math.floor(at / times);
      const time = decoder.timeStart[table] + (at % times);
      this.#refuse(
        decoder,
        metric,
        time,
        i,
        RefusalReason.INFINITE_VALUE,
        `is ${value}; send NaN where there is no value`,
      );
    }
  }

  #refuse(
    decoder: BatchDecoder,
    metric: number,
    time: number,
    value: number,
    reason: RefusalReason,
    problem: string,
  ): void {
    decoder.values[value] = Number.NaN;
    const known = this.#refusals.find((refusal) => refusal.reason === reason);
    if (known !== undefined) {
      known.samples += 1;
      return;
    }
    const metricHandle = decoder.metricHandles[metric];
    this.#refusals.push({
      reason,
      samples: 1,
      metricHandle,
      timeUnixMs: BigInt.asIntN(64, BigInt(Math.max(-int64Max, Math.min(int64Max, decoder.timesMs[time])))),
      detail: `${subjectOf(reason)}metric handle ${metricHandle} ${problem}`,
    });
  }
}

/** What of a metric a refusal is about. */
function subjectOf(reason: RefusalReason): string {
  if (reason === RefusalReason.SERIES_LIMIT) return "";
  return `${reason === RefusalReason.INFINITE_VALUE ? "value" : "time"} of a sample of `;
}

/** The largest double that an int64 holds. */
const int64Max = 2 ** 63 - 1024;

function unknownMetric(table: number, handle: number, problem: string): BatchRefused {
  return new BatchRefused(
    RefusalReason.UNKNOWN_METRIC,
    `batch.tables[${table}].metric_handles: handle ${handle} ${problem}`,
  );
}
