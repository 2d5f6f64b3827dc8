import type { Tier } from "../lib/aggregate/tiers.ts";
import { subscriberReadsMax } from "../lib/base/limits.ts";
import { Slots } from "../lib/base/slots.ts";
import type { LiveFeed } from "../lib/store/live-feed.ts";
import { LiveSelection, type SelectionRequest } from "./live-selection.ts";
import { selectorKey } from "./resume-token.ts";
import { StoreTurn } from "./store-turn.ts";

/** A selection with those who have it open. */
interface Shared {
  readonly selection: LiveSelection;
  /** Resolves when it is told every change. */
  readonly started: Promise<void>;
  users: number;
}

/** The subscriptions that are open. Those of equal requests share one selection. */
export class Subscriptions {
  readonly feed: LiveFeed;
  readonly #tiers: readonly Tier[];
  readonly #ending: AbortSignal;
  /** Turns to read the store. */
  readonly #turns = new Slots(subscriberReadsMax, Number.POSITIVE_INFINITY, () => new TypeError("any number may wait"));
  readonly #shared = new Map<string, Shared>();
  #size = 0;
  #framesEncoded = 0;

  /** @param ending aborted when the server ends: whoever waits is woken */
  constructor(feed: LiveFeed, tiers: readonly Tier[], ending: AbortSignal) {
    this.feed = feed;
    this.#tiers = tiers;
    this.#ending = ending;
    ending.addEventListener("abort", () => this.#wakeAll(), { once: true });
  }

  /** Whether the server ends. */
  get ending(): boolean {
    return this.#ending.aborted;
  }

  /** Subscribers. */
  get size(): number {
    return this.#size;
  }

  /** Selections that differ. */
  get selections(): number {
    return this.#shared.size;
  }

  /** Frames of changes that were encoded so far. */
  get framesEncoded(): number {
    return this.#framesEncoded;
  }

  /** Memory of what waits for the subscribers of the selection for whom the most waits. */
  get fullestBytes(): number {
    let most = 0;
    for (const { selection } of this.#shared.values()) most = Math.max(most, selection.bytes);
    return most;
  }

  /** Waits for a turn to read the store: end it. @throws TelemetryError CANCELLED when the signal is aborted */
  async turn(signal: AbortSignal): Promise<StoreTurn> {
    return new StoreTurn(await this.#turns.take(signal), () => this.#turns.contended);
  }

  /** Runs with the selection of a request for as long as a subscriber has it open. */
  async *with<T>(request: SelectionRequest, run: (selection: LiveSelection) => AsyncGenerator<T, void>) {
    const key = keyOf(request);
    const shared = this.#shared.get(key) ?? this.#start(key, request);
    shared.users += 1;
    this.#size += 1;
    try {
      await shared.started;
      yield* run(shared.selection);
    } finally {
      this.#size -= 1;
      shared.users -= 1;
      if (shared.users === 0) {
        this.#shared.delete(key);
        shared.selection.end();
      }
    }
  }

  #start(key: string, request: SelectionRequest): Shared {
    const tier = this.#tiers.findIndex(({ widthMs }) => widthMs === request.widthMs);
    const onEncoded = () => {
      this.#framesEncoded += 1;
    };
    const selection = new LiveSelection(request, tier, this.feed, onEncoded);
    const shared: Shared = { selection, started: selection.start(), users: 0 };
    this.#shared.set(key, shared);
    return shared;
  }

  #wakeAll(): void {
    for (const { selection } of this.#shared.values()) {
      for (const { wake } of selection.readers) wake?.call();
    }
  }
}

function keyOf({ selector, widthMs, quantiles, columns }: SelectionRequest): string {
  return JSON.stringify([
    selectorKey(selector),
    widthMs,
    quantiles,
    columns === undefined ? null : [...columns].sort(),
  ]);
}
