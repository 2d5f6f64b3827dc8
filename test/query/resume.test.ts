import { durationFromMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { windowStates } from "../../lib/aggregate/watermark.ts";
import { heartbeatIntervalMs } from "../../lib/base/limits.ts";
import { matches, type Selector } from "../../lib/store/selector.ts";
import { openSqliteReader } from "../../lib/store/sqlite/sqlite-reader.ts";
import { FrameReader, type Window } from "../../lib/wire/window-frame.ts";
import type { SubscribeResponse } from "../../proto/gen/telemetry/v1/query_service_pb.js";
import { makeDataDir, openStore } from "../store/sqlite/data-dir.ts";
import { ask } from "../support/answer.ts";
import { dayMs } from "../support/batches.ts";
import type { IngestHarness } from "../support/ingest.ts";
import { type LiveCall, LiveServer } from "../support/live-server.ts";
import { counter, gauge, Sender } from "../support/sender.ts";
import { asOne } from "../support/sqlite-as-one.ts";

const widthsMs = [10_000, 60_000, 300_000];
const quantiles = [0.5, 0.99];
/** A client's own snapshot begins here: some samples are older. */
const snapshotFromMs = dayMs - 120_000;

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

interface Asked {
  readonly widthMs: number;
  readonly selector: Selector;
}

/** A client that keeps the latest of each window, and the token of the last message that it has read. */
class Client {
  readonly windows = new Map<string, Window>();
  token: Uint8Array = new Uint8Array();
  readonly #asked: Asked;
  #call: { readonly live: LiveCall; readonly frames: FrameReader } | undefined;
  #pending: Promise<SubscribeResponse | undefined> | undefined;

  constructor(asked: Asked) {
    this.#asked = asked;
  }

  connect(server: LiveServer): void {
    const { selector, widthMs } = this.#asked;
    const { deviceIds = [], metricNames = [], labels = {} } = selector;
    const live = server.subscribe({
      selector: { deviceIds: [...deviceIds], metricNames: [...metricNames], labels },
      tier: durationFromMs(widthMs),
      intervalMin: durationFromMs(100),
      quantiles: [...quantiles],
      snapshotFrom: timestampFromMs(snapshotFromMs),
      resumeToken: this.token,
    });
    this.#call = { live, frames: new FrameReader() };
  }

  get isConnected(): boolean {
    return this.#call !== undefined;
  }

  /** What was on its way to it is lost. */
  async cut(): Promise<void> {
    const call = this.#call;
    this.#call = undefined;
    this.#pending = undefined;
    const stopping = call?.live.stop();
    await vi.advanceTimersByTimeAsync(0);
    await stopping;
  }

  /** Reads messages, those that come within so much time. */
  async read(messages: number, timeMs: number): Promise<void> {
    for (let left = messages; left > 0 && this.#call !== undefined; left -= 1) {
      this.#pending ??= this.#call.live.next();
      let message: SubscribeResponse | undefined | "none" = "none";
      void this.#pending.then((next) => {
        message = next;
      });
      await vi.advanceTimersByTimeAsync(0);
      for (let waitedMs = 0; message === "none" && waitedMs < timeMs; waitedMs += 100) {
        await vi.advanceTimersByTimeAsync(100);
      }
      if (message === "none") return;
      this.#pending = undefined;
      if (message === undefined) throw new Error("nobody ends the subscription");
      this.#take(message);
    }
  }

  #take({ event, resumeToken }: SubscribeResponse): void {
    if (event.case === "snapshot" || event.case === "changes") {
      for (const window of this.#call?.frames.read(event.value) ?? []) {
        const key = keyOf(window);
        const known = this.windows.get(key);
        if (known !== undefined) expect(`${key} ${ageOf(window) >= ageOf(known)}`).toBe(`${key} true`);
        this.windows.set(key, window);
      }
    }
    expect(resumeToken.length).toBeGreaterThan(0);
    this.token = resumeToken;
  }
}

const keyOf = ({ deviceId, metric, startMs }: Window) => `${deviceId} ${metric} ${(startMs - dayMs) / 1_000}`;
/** Samples are only added, and states follow each other. */
const ageOf = ({ count, state }: Window) => count * 10 + (state === undefined ? 0 : windowStates.indexOf(state));

/** What a test compares of a window. */
function factsOf({ count, sum, min, max, first, last, deviation, state, quantiles: of }: Window) {
  return { count, sum, min, max, first, last, deviation: deviation.toFixed(6), state, quantiles: of };
}

type Action =
  | { readonly kind: "send"; readonly device: number; readonly agosMs: readonly number[]; readonly counts: boolean }
  | { readonly kind: "wait"; readonly ms: number }
  | { readonly kind: "steps"; readonly count: number }
  | { readonly kind: "read"; readonly messages: number; readonly timeMs: number }
  | { readonly kind: "publish" | "cut" | "restart" | "connect" };

const anyAction: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("send" as const),
      device: fc.nat(2),
      // Nearly all live, some late.
      agosMs: fc.array(
        fc.oneof({ weight: 4, arbitrary: fc.nat(30_000) }, fc.nat(200_000), fc.integer({ min: 0, max: 900_000 })),
        { minLength: 1, maxLength: 4 },
      ),
      counts: fc.boolean(),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("wait" as const), ms: fc.integer({ min: 1, max: 120_000 }) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("steps" as const), count: fc.integer({ min: 1, max: 20 }) }) },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant("read" as const),
      messages: fc.integer({ min: 1, max: 4 }),
      timeMs: fc.constantFrom(0, 200, 6_000),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("publish" as const) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom("cut" as const, "connect" as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("restart" as const) }) },
);

const anyAsked: fc.Arbitrary<Asked> = fc.record({
  widthMs: fc.constantFrom(...widthsMs),
  selector: fc.constantFrom<Selector>(
    { deviceIds: undefined, metricNames: undefined },
    { deviceIds: ["d0", "d2"], metricNames: undefined },
    { deviceIds: undefined, metricNames: [counter] },
    { deviceIds: undefined, metricNames: undefined, labels: { site: "north" } },
  ),
});

/** Opens the store of a server, and again when it has ended. */
type OpenStore = () => IngestHarness["store"];

/** A server and a client, both of which come and go. */
class Life {
  readonly client: Client;
  readonly #sender: Sender;
  readonly #open: OpenStore;
  readonly #counts = [0, 0, 0];
  #server: LiveServer;

  constructor(asked: Asked, open: OpenStore) {
    this.client = new Client(asked);
    this.#open = open;
    this.#sender = new Sender(widthsMs, dayMs, undefined, open());
    for (const [i, site] of ["north", "south", "north"].entries()) this.#sender.add(`d${i}`, { site });
    this.#server = new LiveServer(this.#sender.ingest);
  }

  async act(action: Action): Promise<void> {
    const { ingest } = this.#sender;
    if (action.kind === "send") this.#send(action.device, action.agosMs, action.counts);
    else if (action.kind === "wait") this.#sender.wait(action.ms);
    else if (action.kind === "steps") for (let i = 0; i < action.count; i += 1) ingest.flusher.step();
    else if (action.kind === "read") await this.client.read(action.messages, action.timeMs);
    else if (action.kind === "publish") this.#server.publish();
    else if (action.kind === "cut") await this.client.cut();
    else if (action.kind === "restart") await this.#restart();
    else if (!this.client.isConnected) this.client.connect(this.#server);
  }

  #send(device: number, agosMs: readonly number[], counts: boolean): void {
    const { nowMs } = this.#sender.ingest;
    const samples = agosMs
      .toSorted((a, b) => b - a)
      .map((agoMs) => {
        this.#counts[device] = (this.#counts[device] ?? 0) + 1;
        return { timeMs: nowMs - agoMs, value: this.#counts[device] ?? 0 };
      });
    this.#sender.send(`d${device}`, counts ? counter : gauge, samples);
    this.#server.absorb();
  }

  async #restart(): Promise<void> {
    await this.client.cut();
    this.#sender.crash(this.#open());
    this.#server = new LiveServer(this.#sender.ingest);
  }

  /** Lets the client read everything, and holds what it has against a query. */
  async finish({ widthMs, selector }: Asked): Promise<void> {
    if (!this.client.isConnected) this.client.connect(this.#server);
    // The second time for what was held back until the feed had told what the store has shown.
    for (let i = 0; i < 2; i += 1) {
      this.#server.publish();
      await this.client.read(Number.POSITIVE_INFINITY, heartbeatIntervalMs - 500);
    }
    await this.client.cut();
    const wanted = ask(this.#sender, { widthMs, selector, quantiles });
    const has = new Map([...this.client.windows].map(([key, window]) => [key, factsOf(window)]));
    for (const window of wanted) {
      const key = keyOf(window);
      const labels = this.#sender.devices.get(window.deviceId)?.labels ?? {};
      expect(matches(selector, { deviceId: window.deviceId, name: window.metric, labels })).toBe(true);
      // One that is older than the snapshot comes when it changes.
      if (window.startMs + widthMs <= snapshotFromMs && !has.has(key)) continue;
      expect({ key, ...has.get(key) }).toEqual({ key, ...factsOf(window) });
      has.delete(key);
    }
    expect([...has.keys()]).toEqual([]);
  }
}

function sqliteStores(): OpenStore {
  const dir = makeDataDir();
  const tiers = widthsMs.map((widthMs) => ({ widthMs }));
  let close = () => {};
  onTestFinished(() => close());
  return () => {
    close();
    const store = openStore(dir, tiers);
    const reader = openSqliteReader(dir, tiers);
    close = () => {
      reader.close();
      store.close();
    };
    return asOne(store, reader);
  };
}

describe("a client that subscribes again with the token of the last message that it has read", () => {
  it.each([
    ["in memory", undefined, 150],
    ["SQLite, opened again", sqliteStores, 40],
  ])(
    "has what a query shows, and no window went back, whoever restarted and wherever it was cut: %s",
    async (_, stores, numRuns) => {
      const property = fc.asyncProperty(anyAsked, fc.array(anyAction, { maxLength: 60 }), async (asked, actions) => {
        let kept: IngestHarness["store"] | undefined;
        const life = new Life(
          asked,
          stores?.() ??
            (() => {
              kept ??= new Sender(widthsMs, dayMs).store;
              return kept;
            }),
        );
        await life.act({ kind: "connect" });
        for (const action of actions) await life.act(action);
        await life.finish(asked);
      });
      await fc.assert(property, { numRuns });
    },
    120_000,
  );
});
