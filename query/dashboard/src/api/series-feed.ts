import { type Signal, signal } from "@preact/signals";
import { Backoff } from "../../../../lib/base/backoff.ts";
import type { Clock } from "../../../../lib/base/clock.ts";
import { parseDuration } from "../../../../lib/base/duration.ts";
import type { Prng } from "../../../../lib/base/prng.ts";
import { waitFor } from "../../../../lib/base/wait.ts";
import type { Window } from "../../../../lib/wire/frame-reader.ts";
import { type Pick, pickKey, selectorOf } from "../state/pick.ts";
import type { SeriesStore } from "../state/series-store.ts";
import { isLive, spanOf, type TimeRange } from "../state/time-range.ts";
import { labelsOf } from "../state/url-state.ts";
import type { Awake } from "./awake.ts";
import { type HistoryInfo, type HistoryQuery, readHistory } from "./history.ts";
import { runSubscription } from "./live-subscription.ts";
import { type ConnectionState, endingOf } from "./resume.ts";
import type { Api } from "./transport.ts";

/** Charts come and go in one turn; the subscription is made once for all of them. */
const gatherMs = 50;
/** Groups are merged when they are read: there is no subscription to them. */
const groupPollMs = 5_000;

/** What of the link decides which windows are read. */
export interface View {
  readonly range: TimeRange;
  readonly tier: string;
  readonly groupBy: readonly string[];
  readonly where: readonly string[];
}

export interface FeedOptions {
  readonly api: Api;
  readonly store: SeriesStore;
  readonly clock: Clock;
  readonly prng: Prng;
  readonly awake: Awake;
}

/** Brings the windows of all series on the page into the store: history, then one subscription to all of them. */
export class SeriesFeed {
  readonly connection: Signal<ConnectionState> = signal({ kind: "idle" });
  /** Width of the windows that are shown, in milliseconds; 0: not known yet. */
  readonly tierMs = signal(0);
  readonly #options: FeedOptions;
  readonly #wanted = new Map<symbol, readonly Pick[]>();
  #view: View | undefined;
  /** Of the run that is under way: one that would be equal is not begun again. */
  #asked = "";
  #run = new AbortController();
  #gathering: ReturnType<typeof setTimeout> | undefined;

  constructor(options: FeedOptions) {
    this.#options = options;
  }

  /** Whoever wants other series later calls it again. */
  want(owner: symbol, picks: readonly Pick[]): void {
    this.#wanted.set(owner, picks);
    this.#gather();
  }

  drop(owner: symbol): void {
    this.#wanted.delete(owner);
    this.#gather();
  }

  show(view: View): void {
    this.#view = view;
    this.#gather();
  }

  /** Begins again, also when nothing has changed: there is a token now. */
  restart(): void {
    this.#asked = "";
    this.#gather();
  }

  #gather(): void {
    this.#gathering ??= setTimeout(() => {
      this.#gathering = undefined;
      this.#begin();
    }, gatherMs);
  }

  #begin(): void {
    const view = this.#view;
    const picks = new Map([...this.#wanted.values()].flat().map((pick) => [pickKey(pick), pick]));
    if (view === undefined) return;
    const asked = JSON.stringify([view, [...picks.keys()].sort()]);
    if (asked === this.#asked) return;
    this.#asked = asked;
    this.#run.abort();
    this.#run = new AbortController();
    // Groups are told apart by the labels that were asked for: those of another question are not kept.
    this.#options.store.keep((key) => view.groupBy.length === 0 && picks.has(key));
    if (picks.size === 0) {
      this.connection.value = { kind: "idle" };
      return;
    }
    void this.#follow(view, picks, this.#run.signal);
  }

  async #follow(view: View, picks: ReadonlyMap<string, Pick>, ending: AbortSignal): Promise<void> {
    const isGrouped = view.groupBy.length > 0;
    const isWanted = (key: string) => isGrouped || picks.has(key);
    let newest = 0;
    const put = (windows: readonly Window[], revision: number) => {
      // Of another database: groups are read again and again, and nobody tells that it is one.
      if (isGrouped && revision < newest) this.#options.store.clear();
      newest = revision;
      this.#options.store.put(windows, revision, isWanted);
    };
    let isAnew = false;
    while (!ending.aborted) {
      const info = await this.#history(view, [...picks.values()], ending, put);
      if (info === undefined) return;
      if (!isLive(view.range)) {
        this.connection.value = { kind: "idle" };
        return;
      }
      if (isGrouped) {
        this.connection.value = { kind: "live" };
        await waitFor(groupPollMs, ending);
        await this.#options.awake.untilVisible(ending);
        continue;
      }
      const { fromMs } = spanOf(view.range, this.#options.clock.nowMs());
      const left = await runSubscription({
        ...this.#options,
        selector: selectorOf(picks.values()),
        tierMs: info.tierMs,
        // What was final when the history was read is there; all that may have changed since comes again.
        snapshotFromMs: Math.max(fromMs, info.completeUntilMs ?? fromMs),
        signal: ending,
        onWindows: put,
        onState: (state) => {
          if (ending.aborted) return;
          this.connection.value =
            isAnew && state.kind === "live" ? { kind: "resumed", afterMs: 0, isWhole: false } : state;
          if (state.kind === "live") isAnew = false;
        },
      });
      if (left === "over") return;
      // Another database: its revisions begin anew, too.
      isAnew = true;
      this.#options.store.clear();
    }
  }

  /** Tries until it has the history. @returns undefined when it is not to be had */
  async #history(
    view: View,
    picks: readonly Pick[],
    ending: AbortSignal,
    put: (windows: readonly Window[], revision: number) => void,
  ): Promise<HistoryInfo | undefined> {
    const { api, clock, prng, awake } = this.#options;
    const backoff = new Backoff(prng);
    for (let tries = 1; !ending.aborted; tries += 1) {
      try {
        const query: HistoryQuery = {
          picks,
          groupBy: view.groupBy,
          labels: labelsOf(view.where),
          span: spanOf(view.range, clock.nowMs()),
          tierMs: view.tier === "" ? undefined : parseDuration(view.tier, "tier"),
        };
        const info = await readHistory(api, query, ending, (windows, revision, tierMs) => {
          if (ending.aborted) return;
          this.#setTier(tierMs);
          put(windows, revision);
        });
        return ending.aborted ? undefined : info;
      } catch (error) {
        if (ending.aborted) return undefined;
        const end = endingOf(error, false);
        if (end.kind === "unauthenticated") api.needsToken.value = true;
        if (end.kind === "unauthenticated" || end.kind === "refused") {
          this.connection.value = end;
          return undefined;
        }
        this.connection.value = { kind: "reconnecting", tries };
        await awake.untilVisible(ending);
        await waitFor(backoff.nextMs(), ending);
      }
    }
    return undefined;
  }

  /** Windows of two widths are never in one line. */
  #setTier(tierMs: number): void {
    if (tierMs === this.tierMs.peek()) return;
    this.#options.store.clear();
    this.tierMs.value = tierMs;
  }
}
