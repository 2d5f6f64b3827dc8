import { create, fromBinary, type MessageInitShape } from "@bufbuild/protobuf";
import { ChangeCollector } from "../../ingest/change-collector.ts";
import { anyone } from "../../lib/access/principal.ts";
import { latenessMsDefault } from "../../lib/base/limits.ts";
import { neverAborted } from "../../lib/base/wait.ts";
import { DeviceFeed } from "../../lib/store/device-feed.ts";
import { LiveFeed } from "../../lib/store/live-feed.ts";
import type { AggregateReader } from "../../lib/store/store.ts";
import {
  SubscribeRequestSchema,
  type SubscribeResponse,
  SubscribeResponseSchema,
} from "../../proto/gen/telemetry/v1/query_service_pb.js";
import { ChangedAnswer } from "../../query/changed-answer.ts";
import { RangeAnswer } from "../../query/range-answer.ts";
import type { Reader } from "../../query/reader.ts";
import { type QueryOptions, queryHandlers } from "../../query/service.ts";
import { Subscriptions } from "../../query/subscriptions.ts";
import type { IngestHarness } from "./ingest.ts";

/** A subscription to a server in this process. */
export interface LiveCall {
  /** The next message; undefined: it has ended. */
  next(): Promise<SubscribeResponse | undefined>;
  /** The client goes away. */
  stop(): Promise<void>;
  /** Whether the server has cut it. */
  readonly isCut: boolean;
}

/** What a subscription asks of a reader. */
export function readerOf(store: AggregateReader): Reader {
  const reading = (answer: RangeAnswer | ChangedAnswer) => ({
    nextPage: async (windowsMax: number) => answer.next(windowsMax),
    close: () => {},
  });
  return {
    call: async (_: "select", selector: Parameters<AggregateReader["select"]>[0]) => store.select(selector),
    openRange: async (...[request, selection, open]: Parameters<Reader["openRange"]>) => ({
      start: { exact: true },
      ...reading(new RangeAnswer(store, request, selection, open)),
    }),
    openChanged: async (request: ConstructorParameters<typeof ChangedAnswer>[1]) =>
      reading(new ChangedAnswer(store, request)),
  } as unknown as Reader;
}

/** Query and live feed over a writer of this process, without threads and sockets. Nothing is handed on by itself. */
export class LiveServer {
  readonly feed: LiveFeed;
  readonly subscriptions: Subscriptions;
  readonly collector: ChangeCollector;
  readonly #ingest: IngestHarness;
  readonly #ending = new AbortController();
  readonly #options: QueryOptions;

  constructor(ingest: IngestHarness, over: Partial<QueryOptions> = {}) {
    this.#ingest = ingest;
    const { flusher, store, sessions } = ingest;
    const clock = { nowMs: () => ingest.nowMs, elapsedMs: () => performance.now() };
    const collector = new ChangeCollector(flusher, clock, latenessMsDefault);
    this.collector = collector;
    this.feed = new LiveFeed({
      watch: async (id, filter) => {
        collector.watch(id, filter, store.position);
        return store.position;
      },
      unwatch: async (id) => collector.unwatch(id),
      follow: async (widthMs, windows) => {
        for (const { deviceId, series, startMs } of windows) {
          const state = sessions.find(deviceId);
          if (state !== undefined) collector.follow(widthMs, state, series, startMs);
        }
      },
    });
    this.subscriptions = new Subscriptions(this.feed, store.tiers, this.#ending.signal);
    this.#options = {
      reader: readerOf(store),
      subscriptions: this.subscriptions,
      tiers: store.tiers,
      clock,
      latenessMs: latenessMsDefault,
      barrier: async () => {
        const opened = flusher.barrier("all", true);
        while (flusher.step());
        return await opened;
      },
      openWindows: {
        copy: async (request) => flusher.copyOpen(request),
        release: (hold) => flusher.release(hold),
      },
      incarnation: store.incarnation,
      keepsRaw: false,
      standing: async () => ({ connections: new Map(), marks: [] }),
      deviceFeed: new DeviceFeed(async () => {}),
      ending: this.#ending.signal,
      ...over,
    };
  }

  /** The group that was stored last is seen by the feed. */
  absorb(): void {
    const { group, position } = this.#ingest.outcomes.at(-1) ?? {};
    if (group !== undefined && position !== undefined && this.collector.interested) this.collector.add(group, position);
  }

  /** Hands on what was gathered. */
  publish(): void {
    this.feed.publish(this.collector.take());
  }

  subscribe(request: MessageInitShape<typeof SubscribeRequestSchema>): LiveCall {
    const over = new AbortController();
    let isCut = false;
    const cut = () => {
      isCut = true;
      over.abort();
    };
    const message = create(SubscribeRequestSchema, request);
    const context = { signal: over.signal, principal: anyone, draining: neverAborted, cut };
    const responses = queryHandlers(this.#options).subscribe(message, context)[Symbol.asyncIterator]();
    return {
      async next() {
        const { value } = await responses.next();
        return value === undefined ? undefined : fromBinary(SubscribeResponseSchema, value as Uint8Array);
      },
      async stop() {
        over.abort();
        await responses.return?.();
      },
      get isCut() {
        return isCut;
      },
    };
  }

  /** The server drains. */
  end(): void {
    this.#ending.abort();
  }
}
