import { create, fromBinary } from "@bufbuild/protobuf";
import { durationFromMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { anyone } from "../../lib/access/principal.ts";
import { HeldWindows } from "../../lib/aggregate/held-windows.ts";
import { defaultTiers } from "../../lib/aggregate/tiers.ts";
import { WindowSet } from "../../lib/aggregate/window-set.ts";
import { frameWindowsMax, heartbeatIntervalMs, latenessMsDefault, liveWindowBytes } from "../../lib/base/limits.ts";
import { neverAborted } from "../../lib/base/wait.ts";
import { DeviceFeed } from "../../lib/store/device-feed.ts";
import { LiveFeed, type LiveUpdate } from "../../lib/store/live-feed.ts";
import { MemoryStore } from "../../lib/store/memory/memory-store.ts";
import type { Device, Series, Session } from "../../lib/store/store.ts";
import {
  SubscribeRequestSchema,
  type SubscribeResponse,
  SubscribeResponseSchema,
} from "../../proto/gen/telemetry/v1/query_service_pb.js";
import { queryHandlers } from "../../query/service.ts";
import { Subscriptions } from "../../query/subscriptions.ts";
import { device as makeDevice, session as makeSession } from "../store/steps.ts";
import { dayMs } from "../support/batches.ts";
import { readerOf } from "../support/live-server.ts";

/** Subscriptions over a store in memory and a feed of the test's own, on a clock that the test turns. */

const tier = defaultTiers.slice(0, 1);
const device: Device = makeDevice(1, "press");
const session: Session = makeSession(1, 1);
const series: Series = { id: 1, device: 1, name: "temperature", kind: "gauge", unit: "", description: "" };

class Source {
  readonly store = new MemoryStore(tier);
  readonly feed = new LiveFeed({
    watch: async () => this.store.position,
    unwatch: async () => {},
    follow: async () => {},
  });
  /** What a barrier waits for. */
  flushed: Promise<void> = Promise.resolve();
  /** Groups that are acked and cannot be stored: the disk is full. */
  unstored = 0;
  readonly #ending = new AbortController();
  readonly subscriptions = new Subscriptions(this.feed, tier, this.#ending.signal);

  subscribe(request: { snapshot?: boolean; intervalMs?: number; quantiles?: number[]; token?: Uint8Array } = {}) {
    const { store } = this;
    const handlers = queryHandlers({
      reader: readerOf(store),
      subscriptions: this.subscriptions,
      barrier: async () => {
        await this.flushed;
        return store.position - this.unstored;
      },
      standing: async () => ({ connections: new Map(), marks: [] }),
      deviceFeed: new DeviceFeed(async () => {}),
      ending: this.#ending.signal,
      openWindows: { copy: async () => undefined, release: () => {} },
      tiers: tier,
      latenessMs: latenessMsDefault,
      clock: { nowMs: () => Date.now(), elapsedMs: () => Date.now() },
      incarnation: store.incarnation,
      keepsRaw: false,
    });
    const message = create(SubscribeRequestSchema, {
      quantiles: request.quantiles ?? [],
      resumeToken: request.token ?? new Uint8Array(),
      ...(request.snapshot === true && { snapshotFrom: timestampFromMs(dayMs) }),
      ...(request.intervalMs !== undefined && { intervalMin: durationFromMs(request.intervalMs) }),
    });
    return decoded(
      handlers.subscribe(message, {
        signal: neverAborted,
        principal: anyone,
        draining: neverAborted,
        cut: () => {},
      }),
    );
  }

  /** Stores one sample in each of some windows. @returns what the feed would be told */
  commit(windows: number): LiveUpdate {
    const set = new WindowSet([10_000]);
    const times = Float64Array.from({ length: windows }, (_, i) => dayMs + i * 10_000);
    set.add({
      series: 1,
      counter: false,
      watermarkMs: Number.NEGATIVE_INFINITY,
      timesMs: times,
      timeStart: 0,
      timeEnd: windows,
      values: new Float64Array(windows).fill(1),
      valueStart: 0,
      isPlain: true,
    });
    const revision = this.store.append(new Uint8Array(1), {
      devices: [device],
      sessions: [session],
      series: [series],
      handles: [],
    });
    const held = new HeldWindows(this.store.loadWindow);
    held.absorb(set, revision, 0, 0, [{ fromMs: Number.NEGATIVE_INFINITY, toMs: Number.POSITIVE_INFINITY }]);
    for (const { shard, tiers } of held.shards) this.store.commit(shard, revision, tiers);
    const table = held.get(0)?.tiers[0]?.table;
    if (table === undefined) throw new Error("there is one tier");
    const row = { ...series, deviceId: "press", labels: {} };
    const changes = [{ revision, widthMs: 10_000, windows: table, series: [row] }];
    return { revision, timeMs: Date.now(), changes, provisionalFromMs: [Number.NEGATIVE_INFINITY], gone: [] };
  }

  end(): void {
    this.#ending.abort();
  }
}

async function* decoded(messages: AsyncIterable<unknown>): AsyncGenerator<SubscribeResponse, void> {
  for await (const bytes of messages) yield fromBinary(SubscribeResponseSchema, bytes as Uint8Array);
}

let source: Source;
beforeEach(() => {
  vi.useFakeTimers();
  source = new Source();
});
afterEach(() => {
  source.end();
  vi.useRealTimers();
});

/** The next message; it is there after so much time, and not a millisecond earlier. */
async function nextAfter(ms: number, responses: ReturnType<Source["subscribe"]>) {
  let early = true;
  const next = responses.next().then(({ value }) => {
    expect(early).toBe(false);
    return value?.event;
  });
  await vi.advanceTimersByTimeAsync(Math.max(0, ms - 1));
  early = false;
  await vi.advanceTimersByTimeAsync(1);
  return await next;
}

describe("a subscription to which nothing happens", () => {
  it("sends a heartbeat after the snapshot, and after the heartbeat's interval", async () => {
    const responses = source.subscribe();
    expect((await responses.next()).value?.event).toMatchObject({ case: "heartbeat" });
    expect(await nextAfter(heartbeatIntervalMs, responses)).toMatchObject({ case: "heartbeat" });
  });

  it("sends heartbeats as often when changes may come once a minute only", async () => {
    const responses = source.subscribe({ intervalMs: 60_000 });
    await responses.next();
    await nextAfter(heartbeatIntervalMs, responses);
    let heartbeats = 0;
    const counting = (async () => {
      while ((await responses.next()).done !== true) heartbeats += 1;
    })();
    await vi.advanceTimersByTimeAsync(4 * heartbeatIntervalMs);
    expect(heartbeats).toBeGreaterThanOrEqual(3);
    source.end();
    await counting;
  });

  it("is told to come again when what it missed cannot be stored: its token still stands for it", async () => {
    source.feed.publish(source.commit(1));
    const first = source.subscribe({ snapshot: true });
    const { value } = await first.next();
    const token = value?.resumeToken;
    await first.return();
    source.feed.publish(source.commit(2));
    source.unstored = 1;
    const again = { snapshot: true, ...(token !== undefined && { token }) };
    // Its snapshot was not complete: it begins again.
    expect((await source.subscribe(again).next()).value?.event.case).toBe("snapshot");
    const whole = source.subscribe({ snapshot: true });
    let place = token;
    for (let event = ""; event !== "heartbeat"; ) {
      const { value: message } = await whole.next();
      event = message?.event.case ?? "heartbeat";
      place = message?.resumeToken;
    }
    await whole.return();
    source.feed.publish(source.commit(3));
    const resumed = source.subscribe(place === undefined ? {} : { token: place });
    await expect(resumed.next()).rejects.toMatchObject({ status: "UNAVAILABLE", reason: "STORE_BEHIND" });
    source.unstored = 0;
    const later = source.subscribe(place === undefined ? {} : { token: place });
    expect((await later.next()).value?.event.case).toBe("changes");
  });

  it("ends at once when the server does", async () => {
    const responses = source.subscribe({ intervalMs: 60_000 });
    await responses.next();
    const rest = (async () => {
      while ((await responses.next()).done !== true);
    })();
    await vi.advanceTimersByTimeAsync(1);
    source.end();
    await rest;
  });
});

describe("an open subscription", () => {
  it("is counted, with the windows that wait for it, until it ends", async () => {
    const { subscriptions, feed } = source;
    const responses = source.subscribe();
    await responses.next();
    feed.publish(source.commit(3));
    expect(subscriptions).toMatchObject({ size: 1, fullestBytes: 3 * liveWindowBytes });
    await responses.next();
    expect(subscriptions).toMatchObject({ size: 1, fullestBytes: 0 });
    await responses.return?.();
    expect(subscriptions).toMatchObject({ size: 0, fullestBytes: 0 });
  });
});

describe("changes", () => {
  it("come at once, and again after the interval, conflated to the latest", async () => {
    const responses = source.subscribe({ intervalMs: 1_000 });
    await responses.next();
    const first = responses.next();
    source.feed.publish(source.commit(1));
    expect((await first).value?.event).toMatchObject({ case: "changes", value: { revision: 1n, counts: [1] } });
    for (let i = 0; i < 3; i += 1) source.feed.publish(source.commit(1));
    expect(await nextAfter(1_000, responses)).toMatchObject({ case: "changes", value: { revision: 4n, counts: [4] } });
  });

  it("tell a series once, and not again when the snapshot has told it", async () => {
    source.commit(1);
    const withSnapshot = source.subscribe({ snapshot: true });
    const without = source.subscribe();
    expect((await withSnapshot.next()).value?.event?.value).toMatchObject({ series: [{ handle: 1 }] });
    for (const responses of [withSnapshot, without]) await responses.next();
    const changes = source.commit(1);
    const next = [withSnapshot.next(), without.next()];
    source.feed.publish(changes);
    const told = (await Promise.all(next)).map(({ value }) => value?.event?.value);
    expect(told).toMatchObject([{ series: [] }, { series: [{ handle: 1 }] }]);
  });

  it("of before the snapshot are in it: it is read when the tables show them", async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    source.flushed = promise;
    const responses = source.subscribe({ snapshot: true });
    const snapshot = responses.next();
    await vi.advanceTimersByTimeAsync(1_000);
    source.commit(1);
    resolve();
    expect((await snapshot).value?.event).toMatchObject({ case: "snapshot", value: { revision: 1n, counts: [1] } });
  });

  it("are never older than what the snapshot has shown", async () => {
    const older = source.commit(1);
    const newer = source.commit(1);
    const { promise, resolve } = Promise.withResolvers<void>();
    source.flushed = promise;
    const responses = source.subscribe({ snapshot: true });
    const snapshot = responses.next();
    await vi.advanceTimersByTimeAsync(1);
    // It has joined, and is about to read the snapshot.
    source.feed.publish(older);
    resolve();
    expect((await snapshot).value?.event).toMatchObject({ case: "snapshot", value: { counts: [2] } });
    await responses.next();
    const next = responses.next();
    // Nothing comes, though the older one waits.
    await vi.advanceTimersByTimeAsync(1_000);
    source.feed.publish(newer);
    await vi.advanceTimersByTimeAsync(1);
    const { value } = await next;
    expect(value?.event).toMatchObject({ case: "changes", value: { counts: [2] } });
  });

  it("of a page of the snapshot are not passed over by the heartbeat after it", async () => {
    source.commit(frameWindowsMax + 1);
    const responses = source.subscribe({ snapshot: true });
    await responses.next();
    // Between the first page and the second: the first has been sent with the old value.
    source.feed.publish(source.commit(1));
    expect((await responses.next()).value?.event).toMatchObject({ case: "snapshot" });
    let changed = false;
    let event = (await responses.next()).value?.event;
    for (; event?.case === "changes"; event = (await responses.next()).value?.event) changed = true;
    expect(event?.case).toBe("heartbeat");
    const revision = event?.case === "heartbeat" ? event.value?.revision : undefined;
    expect(changed || revision === 1n).toBe(true);
  });
});
