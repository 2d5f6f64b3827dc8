/** A batch that names its device and metrics: what comes through the doors of the benchmark server, once it is read. */
export interface NamedBatch {
  readonly deviceId: string;
  /** 32 hexadecimal digits in lower case. */
  readonly spoolId: string;
  readonly sequence: number;
  readonly tables: readonly NamedTable[];
}

/** M metrics x T times, as `Table` of `lib/wire/batch-encoder.ts`, with names in the place of handles. */
export interface NamedTable {
  readonly metrics: readonly string[];
  readonly baseTimeMs: number;
  readonly offsetsMs: ArrayLike<number>;
  readonly values: Float64Array;
}

/** A batch whose bytes are those of a `telemetry.v1.Batch` already, with handles 1, 2, ... for the metrics. */
export interface EncodedBatch {
  readonly deviceId: string;
  readonly spoolId: string;
  readonly metrics: readonly string[];
  readonly deviceHandle: number;
  readonly sequence: number;
  /** They must not change afterwards. */
  readonly bytes: Uint8Array;
}
