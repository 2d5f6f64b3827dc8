import type { Tier } from "../lib/aggregate/tiers.ts";
import type { Clock } from "../lib/base/clock.ts";
import type { Handlers } from "../lib/rpc/handlers.ts";
import type { DeviceFeed } from "../lib/store/device-feed.ts";
import type { Standing } from "../lib/store/registry.ts";
import type { Selector } from "../lib/store/selector.ts";
import type { OpenRequest, OpenWindows, Revision } from "../lib/store/store.ts";
import type { QueryService } from "../proto/gen/telemetry/v1/query_service_pb.js";
import { deviceHandlers } from "./devices.ts";
import { listHandlers } from "./lists.ts";
import { rangeHandlers } from "./ranges.ts";
import type { Reader } from "./reader.ts";
import { sampleHandlers } from "./samples.ts";
import { subscribeHandlers } from "./subscribe.ts";
import type { Subscriptions } from "./subscriptions.ts";
import { watchHandlers } from "./watch-devices.ts";

export interface QueryOptions {
  readonly reader: Reader;
  readonly subscriptions: Subscriptions;
  /** Finest first. */
  readonly tiers: readonly Tier[];
  readonly clock: Clock;
  /** How late a sample may be before its window counts as final. */
  readonly latenessMs: number;
  /**
   * Resolves when the tables show everything acked so far: the windows of a selection (undefined: none), and how far
   * sessions have come (`sessions`).
   */
  readonly barrier: (selector: Selector | undefined, sessions: boolean) => Promise<Revision>;
  /** Whether settled samples are kept to be read back. */
  readonly keepsRaw: boolean;
  /** What the writer has in memory. */
  readonly openWindows: OpenWindowsSource;
  /** How devices stand by what was acked so far, beyond what the tables show. */
  readonly standing: (deviceIds: readonly string[]) => Promise<Standing>;
  /** What happens to devices. */
  readonly deviceFeed: DeviceFeed;
  /** Aborted when the server ends: watches end with it. */
  readonly ending: AbortSignal;
  /** Names the database, 32 hexadecimal digits: resume tokens are good for one. */
  readonly incarnation: string;
  /** A subscriber that has not taken a message for so long is ended; `subscriberStalledMsMax` by default. */
  readonly stalledMsMax?: number;
}

export interface OpenWindowsSource {
  /**
   * Copies what is not stored of a selection. The tables stay as they are until its hold is released, or for a moment.
   * @returns undefined when it is too much: pass the barrier
   */
  copy(request: OpenRequest): Promise<(OpenWindows & { readonly hold: number }) | undefined>;
  release(hold: number): void;
}

/** What QueryService answers, one file per kind of question. */
export type QueryHandlers = Handlers<typeof QueryService, "messages">;

export function queryHandlers(options: QueryOptions): QueryHandlers {
  return {
    ...listHandlers(options),
    ...deviceHandlers(options),
    ...watchHandlers(options),
    ...rangeHandlers(options),
    ...subscribeHandlers(options),
    ...sampleHandlers(options),
  };
}
