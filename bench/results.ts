import type { Cell } from "./cell.ts";
import type { Arrival } from "./load/schedule.ts";

/** What `results.json` holds: every trial, nothing averaged away. */
export interface Results {
  readonly format: 1;
  readonly machine: Machine;
  /** The commit that was measured, with `-dirty` when files had changed; "" outside a checkout. */
  readonly commit: string;
  readonly seed: number;
  /** ISO 8601, UTC. */
  readonly startedAt: string;
  readonly seconds: number;
  /** Name of the set that was run: quick, full, smoke, or a scenario. */
  readonly set: string;
  /** Of SQLite, as read back from it. */
  readonly pragmas: Readonly<Record<string, string>>;
  /** Limits that the servers ran under. */
  readonly limits: string;
  readonly trials: readonly Trial[];
  readonly timelines: readonly Timeline[];
  readonly micro: readonly MicroTrial[];
}

export interface Machine {
  readonly cpus: number;
  readonly cpuModel: string;
  readonly memoryBytes: number;
  readonly os: string;
  /** Of Node, SQLite and the packages that matter. */
  readonly versions: Readonly<Record<string, string>>;
}

/** One run of one cell, in processes of its own. */
export interface Trial {
  /** What it was run for: a cell can be part of several. */
  readonly scenario: string;
  readonly cell: Cell;
  /** From 0; trials of equal rounds were run next to each other, and make pairs. */
  readonly round: number;
  readonly figures: Figures;
  /** Why none of its figures counts: it broke, or its content is wrong; empty when they do. */
  readonly invalid: string;
  /**
   * Why its rate and the times of its acks do not count: the generator may have been the limit. What it has cost the
   * server does. Empty when they do.
   */
  readonly doubt: string;
}

export interface Figures {
  /** Settled while it was measured. */
  readonly samples: number;
  readonly seconds: number;
  readonly samplesPerSecond: number;
  /** Open loop: what the schedule asked for. Undefined: closed loop, as fast as it goes. */
  readonly offeredPerSecond?: number;
  /** Open loop: how the messages came. */
  readonly arrival?: Arrival;
  /** Of all threads of the server's process. */
  readonly serverCpuSecondsPerMillion: number;
  readonly generatorCpuSecondsPerMillion: number;
  /** Received by the server's sockets, framing and headers and all. */
  readonly bytesPerSample: number;
  /** Of a message, from its (intended) sending to its ack. */
  readonly ackMs: Quantiles;
  /** From a sample's time to its receipt by a subscriber, where that was measured. */
  readonly freshnessMs?: Quantiles;
  /** p99 of how late the generator itself sent with a slot free; open loop. */
  readonly generatorLateMs?: number;
  readonly serverRssPeakBytes: number;
  /** The generator against a server that does nothing, by the same way; undefined where it was not measured. */
  readonly ceilingPerSecond?: number;
  /** Samples that were acked and are not in the aggregates, and those that are in them too often. */
  readonly lost: number;
  readonly duplicated: number;
  /** Series whose count, sum, minimum or maximum is not what was sent. */
  readonly seriesWrong: number;
  /** Of all aggregates of a fixed set of samples, sent in the trial's own way: equal across cells. */
  readonly digest: string;
}

export interface Quantiles {
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

/** What a server did over time. */
export interface Timeline {
  readonly scenario: string;
  readonly cell: Cell;
  /** Names of the columns of `rows`; the first is `seconds`. */
  readonly columns: readonly string[];
  readonly rows: readonly (readonly number[])[];
}

/** One round of one arm of a micro benchmark, in a process that runs all arms of its suite in turn. */
export interface MicroTrial {
  readonly suite: string;
  readonly arm: string;
  readonly round: number;
  /** What a unit is: sample, window, row. */
  readonly unit: string;
  readonly nanosecondsPerUnit: number;
}
