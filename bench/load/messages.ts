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
  readonly warmUpMs: number;
  readonly measureMs: number;
  /** Undefined: closed loop, each slot as fast as it goes. */
  readonly openLoop?: { readonly arrival: Arrival; readonly samplesPerSecond: number } | undefined;
  /** Whether a subscription measures how fresh it is. */
  readonly subscribe?: boolean;
}

/**
 * The generator says where it is; what is measured lies between `measuring` and `measured`. `progress` counts from the
 * beginning of the load, warm-up included. The last message is `done` or `failed`; then the process ends.
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
  readonly freshnessMs?: Quantiles;
  /** As in `Figures`; zeros and "" against a null server. */
  readonly lost: number;
  readonly duplicated: number;
  readonly seriesWrong: number;
  readonly digest: string;
}
