import type { Tier } from "../lib/aggregate/tiers.ts";
import type { HistogramCounts } from "../lib/base/duration-histogram.ts";
import type { TelemetryErrorFields } from "../lib/base/errors.ts";
import type { LoopDelays } from "../lib/base/loop-delay.ts";
import type { ThreadCall, ThreadReply } from "../lib/base/thread-calls.ts";
import type { ThreadMemory } from "../lib/base/thread-memory.ts";
import type { DeviceEvent } from "../lib/store/device-feed.ts";
import type { FollowedWindow, LiveFilter, LiveUpdate } from "../lib/store/live-feed.ts";
import type { RawRetention } from "../lib/store/raw-retention.ts";
import type { Standing } from "../lib/store/registry.ts";
import type { Selector } from "../lib/store/selector.ts";
import type { Durability, JournalPosition, OpenRequest } from "../lib/store/store.ts";
import type { AdmissionCounters } from "./admission.ts";
import type { HeldOpenWindows } from "./flusher.ts";
import type { IngestQuotas } from "./quotas.ts";
import type { RefusalCount } from "./refusal-counts.ts";
import type { DeviceRequest } from "./registry.ts";
import type { SettledSlab } from "./settled-slab.ts";
import type { Slab } from "./slab.ts";

/** What the writer thread is started with. */
export interface WriterOptions {
  readonly dataDir: string;
  readonly tiers: readonly Tier[];
  readonly durability: Durability;
  /** How late a sample may be before its window counts as final. */
  readonly latenessMs: number;
  readonly quotas: IngestQuotas;
  /** For how long settled groups stay in the journal; undefined: not at all. */
  readonly keepRaw: RawRetention | undefined;
  /** A fault on purpose (`lib/base/faults.ts`); undefined: none. */
  readonly fault: string | undefined;
}

/** How the writer thread is doing; counters since its start. */
export interface WriterStatus extends Omit<AdmissionCounters, "refused"> {
  readonly refused: readonly RefusalCount[];
  readonly series: number;
  readonly groups: number;
  /** Longest time that storing a group took in the last 10 s. */
  readonly storeMsMax: number;
  readonly position: JournalPosition;
  readonly journalGroups: number;
  readonly heldWindows: number;
  /** Why nothing can be stored; empty when it can. */
  readonly problem: string;
  /** On a call: those that send, and those that are silent. */
  readonly devices: { readonly connected: number; readonly silent: number };
}

/** What the writer thread has measured, for those who watch it; since its start unless it says otherwise. */
export interface WriterMeasures {
  /** Time of a commit to the journal. */
  readonly commits: HistogramCounts;
  /** Time of a step of storing what is due. */
  readonly flushes: HistogramCounts;
  /** Time of moving the log into the database. */
  readonly checkpoints: HistogramCounts;
  /** Files of the journal's segments, of 16 MiB each when they are whole, and those kept for the next ones. */
  readonly segments: number;
  readonly fsyncs: number;
  /** Since they were asked for the last time. */
  readonly loopDelays: LoopDelays;
  readonly memory: ThreadMemory;
}

/** What can be asked of the writer thread. Each is answered behind the slabs that were submitted before. */
export interface WriterCalls {
  /** `LiveSource`: what is wanted of the live feed. */
  watch(id: number, filter: LiveFilter): JournalPosition;
  unwatch(id: number): void;
  follow(widthMs: number, windows: readonly FollowedWindow[]): void;
  /**
   * Resolves when the tables show everything acked so far: the windows of a selection (undefined: none), and how far
   * the sessions have come.
   */
  barrier(selector: Selector | undefined, sessions: boolean): JournalPosition;
  /** What is not stored of a selection; undefined: too much, pass a barrier. The tables stay as they are until `release`. */
  copyOpen(request: OpenRequest): HeldOpenWindows | undefined;
  release(hold: number): void;
  status(): WriterStatus;
  measures(): WriterMeasures;
  /** Lets whichever spool registers next take a device over. @returns false when it is not known */
  resetDevice(deviceId: string): boolean;
  /** @throws TelemetryError */
  createDevice(request: DeviceRequest): void;
  /** @param paths what to change: `labels`, `description`, or `labels.KEY`; none: all. @throws TelemetryError */
  updateDevice(request: DeviceRequest, paths: readonly string[]): void;
  /** @param force also when it is connected. @throws TelemetryError */
  deleteDevice(deviceId: string, force: boolean): void;
  /** How devices stand by what was acked so far. */
  standing(deviceIds: readonly string[]): Standing;
  /** From now on, what happens to devices is published, or not any more. */
  watchDevices(watched: boolean): void;
  /** Copies the database into a new file. */
  backUp(file: string): void;
}

/** I/O thread to writer thread. */
export type ToWriter =
  | { readonly kind: "slab"; readonly slab: Slab }
  | { readonly kind: "call"; readonly call: ThreadCall<WriterCalls> }
  | { readonly kind: "close" };

/** What was found at the start. */
export interface WriterReady {
  readonly kind: "ready";
  readonly incarnation: string;
  /** As read back from the database. */
  readonly durability: Durability;
  /** Settings of SQLite, as read back too. */
  readonly pragmas: Readonly<Record<string, string>>;
  /** Groups of the journal that were brought into the tables. */
  readonly recoveredGroups: number;
}

/** Writer thread to I/O thread. */
export type FromWriter =
  | WriterReady
  | { readonly kind: "failed"; readonly error: TelemetryErrorFields }
  | {
      readonly kind: "settled";
      readonly slabBytes: number;
      readonly settled: SettledSlab;
      /** What a call may have in flight beside others. */
      readonly fairBytes: number;
    }
  | { readonly kind: "update"; readonly update: LiveUpdate }
  | { readonly kind: "devices"; readonly events: readonly DeviceEvent[] }
  /** Why nothing can be stored, when that has changed; empty when it can. */
  | { readonly kind: "problem"; readonly problem: string }
  | { readonly kind: "reply"; readonly reply: ThreadReply };
