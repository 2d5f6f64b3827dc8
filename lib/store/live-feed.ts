import type { WindowTable } from "../aggregate/window-table.ts";
import { Interest, type InterestStamp } from "./interest.ts";
import { matchesMetric, type Selector } from "./selector.ts";
import type { Revision, SeriesRow, WindowChanges } from "./store.ts";

/** What a subscriber wants to see. */
export interface LiveFilter {
  readonly selector: Selector;
  readonly widthMs: number;
}

/** What the writer hands on. */
export interface LiveUpdate {
  /** Every change up to this commit that anyone wants has been handed on, with this. */
  readonly revision: Revision;
  /** The server's time of the states in it: whatever was final by then has been handed on as final. */
  readonly timeMs: number;
  /** One for each tier in which something changed. */
  readonly changes: readonly WindowChanges[];
  /** By tier, finest first: no window that was handed on, and is provisional now, starts earlier. */
  readonly provisionalFromMs: readonly number[];
  /** Series that are deleted with their devices. */
  readonly gone: readonly number[];
}

/** A window that somebody was shown as provisional by other ways than the feed. */
export interface FollowedWindow {
  readonly deviceId: string;
  readonly series: number;
  readonly startMs: number;
}

/** Where the changes come from: the writer, on its thread. */
export interface LiveSource {
  /** Resolves with a commit: what changes later is handed on if it passes the filter. */
  watch(id: number, filter: LiveFilter): Promise<Revision>;
  unwatch(id: number): Promise<void>;
  /** Resolves when the windows are handed on when they become final, those that pass a filter. */
  follow(widthMs: number, windows: readonly FollowedWindow[]): Promise<void>;
}

/** Who gets the changes that pass a filter. None of its methods may throw. */
export interface LiveListener {
  /** Window `at` has changed. The table is not the listener's. */
  onWindow(windows: WindowTable, at: number): void;
  /** All windows of an update have been told, if there were any. */
  onUpdate(): void;
  /** A series is not selected any more: its device has other labels now, or is deleted. */
  onUnselected(series: number): void;
}

interface Subscription extends LiveFilter {
  readonly id: number;
  readonly listener: LiveListener;
}

/** Where the windows of a series go, until its device has other labels or somebody comes or goes. */
interface Route extends InterestStamp {
  readonly row: SeriesRow;
  readonly subscriptions: readonly Subscription[];
}

const nowhere: Route = {
  row: { id: 0, device: 0, deviceId: "", name: "", kind: "gauge", unit: "", description: "", labels: {} },
  subscriptions: [],
  deviceStamp: 0,
  othersStamp: 0,
};

/**
 * Carries committed changes from the writer to whoever watches. Each window is looked up once, however many watch other
 * devices. It holds nothing back and never blocks: a listener keeps what its subscribers cannot take yet.
 */
export class LiveFeed {
  readonly #source: LiveSource;
  readonly #interest = new Interest<Subscription>();
  readonly #subscriptions = new Set<Subscription>();
  readonly #series = new Map<number, SeriesRow>();
  readonly #routes = new Map<number, Route>();
  #nextId = 1;
  #latest: LiveUpdate = {
    revision: 0,
    timeMs: Number.NEGATIVE_INFINITY,
    changes: [],
    provisionalFromMs: [],
    gone: [],
  };
  #updates = 0;

  constructor(source: LiveSource) {
    this.#source = source;
  }

  /** The latest update, without its windows. */
  get latest(): Omit<LiveUpdate, "changes"> {
    return this.#latest;
  }

  /** Updates so far. */
  get updates(): number {
    return this.#updates;
  }

  /**
   * @returns the commit after which every change is told, and the way to end it. What was committed before is in the
   * store; some of it may be told all the same.
   */
  async subscribe(filter: LiveFilter, listener: LiveListener): Promise<{ revision: Revision; end(): void }> {
    const subscription: Subscription = { ...filter, id: this.#nextId++, listener };
    this.#subscriptions.add(subscription);
    this.#interest.add(subscription);
    const end = () => {
      this.#subscriptions.delete(subscription);
      this.#interest.remove(subscription);
      if (this.#interest.size === 0) this.#routes.clear();
      // Too much is published until it is heard; nobody else is harmed.
      this.#source.unwatch(subscription.id).catch(() => {});
    };
    try {
      return { revision: await this.#source.watch(subscription.id, filter), end };
    } catch (error) {
      end();
      throw error;
    }
  }

  /** Resolves when these windows will be told when they become final. */
  async follow(widthMs: number, windows: readonly FollowedWindow[]): Promise<void> {
    await this.#source.follow(widthMs, windows);
  }

  publish(update: LiveUpdate): void {
    for (const { series } of update.changes) for (const row of series) this.#learn(row);
    for (const { widthMs, windows } of update.changes) {
      for (let i = 0; i < windows.length; i += 1) {
        for (const subscription of this.#routeOf(windows.series[i]).subscriptions) {
          if (subscription.widthMs === widthMs) subscription.listener.onWindow(windows, i);
        }
      }
    }
    for (const series of update.gone) this.#forget(series);
    this.#latest = { ...update, changes: [], gone: [] };
    this.#updates += 1;
    for (const { listener } of this.#subscriptions) listener.onUpdate();
  }

  /** The series of a published window. */
  seriesOf(id: number): SeriesRow | undefined {
    return this.#series.get(id);
  }

  /** Whoever has it open may have been shown it by the store, and not by the feed. */
  #forget(series: number): void {
    this.#series.delete(series);
    this.#routes.delete(series);
    for (const { listener } of this.#subscriptions) listener.onUnselected(series);
  }

  #learn(row: SeriesRow): void {
    this.#series.set(row.id, row);
    const before = this.#routes.get(row.id);
    if (before === undefined) return;
    const after = new Set(this.#routeOf(row.id).subscriptions);
    for (const subscription of before.subscriptions) {
      // One that has ended need not be told.
      if (!after.has(subscription) && this.#subscriptions.has(subscription)) subscription.listener.onUnselected(row.id);
    }
  }

  #routeOf(series: number): Route {
    const row = this.#series.get(series);
    if (row === undefined) return nowhere;
    const known = this.#routes.get(series);
    if (known?.row === row && this.#interest.isCurrent(known, row.deviceId)) return known;
    const subscriptions: Subscription[] = [];
    for (const subscription of this.#interest.filtersOf(row)) {
      if (matchesMetric(subscription.selector, row.name)) subscriptions.push(subscription);
    }
    const route: Route = { row, subscriptions, ...this.#interest.stampOf(row.deviceId) };
    this.#routes.set(series, route);
    return route;
  }
}
