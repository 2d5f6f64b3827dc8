import type { Cell } from "../cell.ts";
import type { Quantiles } from "../results.ts";
import type { Arrival } from "./schedule.ts";

/** What the benchmark's runner tells the generator's process, and hears of it, over the channel of `fork`. */

/** The first argument of the process (`main.ts`), as JSON. It is told nothing more. */
export interface GeneratorPlan {
  readonly cell: Cell;
  readonly seed: number;
  /**
   * The times of the digest check lie in the ten minutes before it, in milliseconds since 1970; equal for all trials of a
   * run, so that digests are. Those of the load are near the present.
   */
  readonly baseTimeMs: number;
  readonly addresses: {
    readonly grpc: string;
    readonly http1: string;
    readonly http2: string;
    readonly ca?: string | undefined;
  };
  /** The server keeps nothing: there is no content to check. */
  readonly isNull: boolean;
  /** The warm-up is a closed loop; an open one begins after it, and is measured after a lead-in of its own. */
  readonly warmUpMs: number;
  readonly measureMs: number;
  /**
   * Undefined: closed loop, each slot as fast as it goes. A `step` comes in the middle of what is measured, a `ramp`
   * goes on from the beginning of the lead-in to the end.
   */
  readonly openLoop?: OpenLoopPlan | undefined;
  /** Whether a subscription measures how fresh it is. */
  readonly subscribe?: boolean;
}

export interface OpenLoopPlan {
  readonly arrival: Arrival;
  readonly samplesPerSecond: number;
  /** It runs so long before it is measured: what the closed loop before it has left for the server to do is over then. */
  readonly leadInMs: number;
}

/**
 * The generator says where it is; what is measured lies between `measuring` and `measured`. `progress` counts from the
 * beginning of the load: that of the warm-up in a closed loop, that of the schedule in an open one, whose warm-up has
 * none. The last message is `done` or `failed`; then the process ends.
 */
export type GeneratorMessage =
  | { readonly kind: "measuring" }
  | { readonly kind: "measured" }
  | {
      readonly kind: "progress";
      readonly seconds: number;
      readonly samplesSettled: number;
      readonly messagesWaiting: number;
    }
  | { readonly kind: "done"; readonly report: GeneratorReport }
  | { readonly kind: "failed"; readonly error: string };

export interface GeneratorReport {
  /** Settled between `measuring` and `measured`. */
  readonly samples: number;
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly ackMs: Quantiles;
  /** Of each batch of one device; undefined where nothing was measured. */
  readonly freshnessMs?: Quantiles;
  /** p99 of how late the generator itself sent with a slot free; open loop. */
  readonly generatorLateMs?: number;
  /** As in `Figures`; zeros and "" against a null server. */
  readonly lost: number;
  readonly duplicated: number;
  readonly seriesWrong: number;
  readonly digest: string;
}
