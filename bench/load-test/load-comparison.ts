import type { ServerDevice } from "../../device-sim/verify/server-view.ts";
import type { SeriesTotals } from "./series-totals.ts";

/** What was sent, by devices that nobody else is. */
export interface SentLoad {
  readonly idPrefix: string;
  readonly deviceIds: readonly string[];
  /** Names of the metrics of each device. Series `device * metrics.length + metric`. */
  readonly metrics: readonly string[];
  readonly samples: SeriesTotals;
  readonly sessions: readonly SentSession[];
  readonly batchSamples: number;
  /** All event times lie between the two. */
  readonly fromMs: number;
  readonly toMs: number;
}

/** Of one device. */
export interface SentSession {
  readonly id: Uint8Array;
  readonly batchesSealed: number;
  /** As its acks say. */
  readonly ackedSequence: number;
}

export interface Verification {
  /** Samples in the aggregates. */
  readonly counted: number;
  /** Samples that the server has refused. */
  readonly refused: number;
  /** Acked, and neither counted nor refused. */
  readonly lost: number;
  /** Counted more often than they were sent. */
  readonly duplicated: number;
  readonly series: number;
  /** Series whose count, sum, smallest or largest value is not what was sent. */
  readonly seriesWrong: number;
  /** The first that are not as they must be, for people. */
  readonly differences: readonly string[];
}

const differencesTold = 10;

/** Holds what was sent by each device against what a server has counted of it. */
export class LoadComparison {
  readonly #sent: SentLoad;
  readonly #found: SeriesTotals;
  readonly #differences: string[] = [];
  #counted = 0;
  #refused = 0;
  #lost = 0;
  #duplicated = 0;
  #seriesWrong = 0;

  constructor(sent: SentLoad, found: SeriesTotals) {
    this.#sent = sent;
    this.#found = found;
  }

  get verification(): Verification {
    return {
      counted: this.#counted,
      refused: this.#refused,
      lost: this.#lost,
      duplicated: this.#duplicated,
      series: this.#sent.samples.counts.filter((count) => count > 0).length,
      seriesWrong: this.#seriesWrong,
      differences: this.#differences.slice(0, differencesTold),
    };
  }

  compare(device: number, served: ServerDevice | undefined): void {
    const { batchesSealed, ackedSequence, id } = this.#sent.sessions[device];
    const refused = served?.samplesRefused ?? 0;
    const isOurs = served?.spool === Buffer.from(id).toString("hex");
    const settled = Math.max(ackedSequence, isOurs ? served.ackedSequence : 0);
    const counted = this.#countedOf(device);
    this.#counted += counted;
    this.#refused += refused;
    if (batchesSealed === 0) return;
    if (settled === batchesSealed && refused === 0) this.#compareExactly(device);
    else this.#compareTogether(device, counted, settled * this.#sent.batchSamples - refused, isOurs);
    this.#compareSession(device, counted, served, isOurs);
  }

  #countedOf(device: number): number {
    let counted = 0;
    for (const series of this.#seriesOf(device)) counted += this.#found.counts[series];
    return counted;
  }

  #compareExactly(device: number): void {
    const { samples } = this.#sent;
    const found = this.#found;
    for (const series of this.#seriesOf(device)) {
      this.#addCount(found.counts[series] - samples.counts[series]);
      const wrong = (["counts", "sums", "mins", "maxs"] as const).filter(
        (column) => samples[column][series] !== found[column][series],
      );
      if (wrong.length === 0) continue;
      this.#seriesWrong += 1;
      this.#tell(device, series, wrong.map((column) => differenceOf(column, samples, found, series)).join(", "));
    }
  }

  /** @param isOurs otherwise nobody knows how much of what was not acked has come before the other session */
  #compareTogether(device: number, counted: number, expected: number, isOurs: boolean): void {
    const { samples, batchSamples, sessions } = this.#sent;
    const most = isOurs ? expected : sessions[device].batchesSealed * batchSamples;
    if (counted < expected) this.#addCount(counted - expected);
    if (counted > most) this.#addCount(counted - most);
    if (counted < expected || counted > most) {
      this.#tell(device, undefined, `count expected ${expected}, found ${counted}`);
    }
    for (const series of this.#seriesOf(device)) {
      const isWithin =
        this.#found.counts[series] <= samples.counts[series] &&
        this.#found.mins[series] >= samples.mins[series] &&
        this.#found.maxs[series] <= samples.maxs[series];
      if (isWithin) continue;
      this.#seriesWrong += 1;
      this.#tell(device, series, "count, minimum or maximum is beyond what was sent");
    }
  }

  #compareSession(device: number, counted: number, served: ServerDevice | undefined, isOurs: boolean): void {
    const { ackedSequence } = this.#sent.sessions[device];
    if (served === undefined) {
      if (ackedSequence > 0) this.#tell(device, undefined, "the server does not know it");
      return;
    }
    if (!isOurs) this.#tell(device, undefined, "another session has taken it over");
    else if (served.ackedSequence < ackedSequence) {
      this.#tell(device, undefined, `acked sequence expected ${ackedSequence}, found ${served.ackedSequence}`);
    }
    if (served.samplesCounted === counted) return;
    this.#seriesWrong += 1;
    this.#tell(device, undefined, `its session counts ${served.samplesCounted} samples, its windows ${counted}`);
  }

  #addCount(more: number): void {
    if (more > 0) this.#duplicated += more;
    else this.#lost -= more;
  }

  #tell(device: number, series: number | undefined, problem: string): void {
    if (this.#differences.length >= differencesTold) return;
    const { deviceIds, metrics } = this.#sent;
    const metric = series === undefined ? "" : ` ${metrics[series % metrics.length]}`;
    this.#differences.push(`${deviceIds[device]}${metric}: ${problem}`);
  }

  *#seriesOf(device: number): Generator<number> {
    const { length } = this.#sent.metrics;
    for (let metric = 0; metric < length; metric += 1) yield device * length + metric;
  }
}

function differenceOf(
  column: "counts" | "sums" | "mins" | "maxs",
  expected: SeriesTotals,
  found: SeriesTotals,
  series: number,
): string {
  const names = { counts: "count", sums: "sum", mins: "min", maxs: "max" };
  return `${names[column]} expected ${expected[column][series]}, found ${found[column][series]}`;
}
