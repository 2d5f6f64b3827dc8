import type { Quantiles } from "../results.ts";
import type { Verification } from "./load-comparison.ts";
import type { LoadOptions } from "./load-options.ts";
import type { LoadFigures } from "./threshold.ts";

/** What a load has come to. Counts are of samples where nothing else is said. */
export interface LoadResult {
  readonly options: LoadOptions;
  /** Of the load, without its drain. */
  readonly seconds: number;
  /** Ended by Ctrl-C. */
  readonly isInterrupted: boolean;
  /** What the schedule asked for. */
  readonly offered: number;
  /** Handed to the devices' uplinks: what is not had no room until the end of the drain. */
  readonly sent: number;
  /** Settled by the server: counted, or refused for a reason. */
  readonly acked: number;
  /** Samples acked per second, from the end of the ramp to that of the load; of all of it when it ended in the ramp. */
  readonly ackedPerSecond: number;
  /** Of a batch, from when it was due. One that was not acked counts with the time that it has waited in vain. */
  readonly ackMs: Quantiles;
  /** Undefined: the server could not be asked. */
  readonly verification: Verification | undefined;
  /** Why it could not be. */
  readonly notVerified: string;
  readonly faults: { readonly cuts: number; readonly batchesRepeated: number; readonly readingsLate: number };
  /** Of which `faults.cuts` were on purpose. */
  readonly reconnects: number;
  /** How often the server has said that it is slow, by cause. */
  readonly slowDowns: Readonly<Record<"disk" | "quota" | "memory", number>>;
  /** Devices that the server has refused for good. */
  readonly devicesFailed: number;
  /** What the server has said, first refusal by first refusal, for people. */
  readonly refusals: readonly string[];
  readonly generator: GeneratorState;
}

/** How the generator itself was doing. */
export interface GeneratorState {
  /** How late it has sealed batches, when there was room. */
  readonly lateMs: Quantiles;
  /** Processor time per time: 1 is a whole core. */
  readonly cpuShare: number;
  /** Share of the time that its event loop was busy, 0 to 1. */
  readonly busyShare: number;
}

/** A timer is late by 1 or 2 ms, a collection of garbage takes 10 or 20; what is longer is not the server's doing. */
const lateP99MsMax = 10;
const lateMsMax = 100;
/** From here on, queues form in front of any server, this one too. */
const busyShareMax = 0.85;

/** Whether times and rates may be the generator's and not the server's. */
export function isLimited({ lateMs, busyShare }: GeneratorState): boolean {
  return lateMs.p99 > lateP99MsMax || lateMs.max > lateMsMax || busyShare > busyShareMax;
}

/** What thresholds can be about. */
export function figuresOf(result: LoadResult): LoadFigures {
  const { offered, sent, acked, ackMs, verification, faults, reconnects } = result;
  return {
    ack_p50: ackMs.p50,
    ack_p90: ackMs.p90,
    ack_p99: ackMs.p99,
    ack_p999: ackMs.p999,
    ack_max: ackMs.max,
    rate: result.ackedPerSecond,
    offered,
    sent,
    acked,
    unacked: offered - acked,
    counted: verification?.counted,
    refused: verification?.refused,
    lost: verification?.lost,
    duplicated: verification?.duplicated,
    wrong_series: verification?.seriesWrong,
    cuts: faults.cuts,
    reconnects,
  };
}
