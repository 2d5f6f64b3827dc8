import { provisionalState } from "../lib/aggregate/watermark.ts";
import type { Clock } from "../lib/base/clock.ts";
import { TelemetryError } from "../lib/base/errors.ts";
import {
  catchUpIntervalMsMin,
  frameWindowsMax,
  heartbeatIntervalMs,
  subscriberEndMsMax,
  subscriberStalledMsMax,
  timeMsMax,
  timeMsMin,
} from "../lib/base/limits.ts";
import { waitFor } from "../lib/base/wait.ts";
import type { CallContext } from "../lib/rpc/handlers.ts";
import type { FollowedWindow } from "../lib/store/live-feed.ts";
import { SeriesIds } from "../lib/store/series-ids.ts";
import type { Revision, SeriesRow } from "../lib/store/store.ts";
import { encodeFrame } from "../lib/wire/frame-encoder.ts";
import { SubscriptionEndReason } from "../proto/gen/telemetry/v1/query_service_pb.js";
import { beginAnswer } from "./answer.ts";
import type { LivePage, LiveSelection, SelectionReader } from "./live-selection.ts";
import type { AnswerPage } from "./range-answer.ts";
import { anotherStore, type ChangesPlace, type Place, type TokenScope } from "./resume-token.ts";
import type { QueryOptions } from "./service.ts";
import type { StoreTurn } from "./store-turn.ts";
import { endMessage, frameMessage, heartbeatMessage } from "./subscribe-message.ts";

export interface SubscriberRequest {
  /** Where it begins; undefined: with the changes from now on. */
  readonly from: Place | undefined;
  readonly intervalMs: number;
  readonly scope: TokenScope;
}

/** What the store has shown, and the feed may not have told yet. */
interface Shown {
  readonly revision: Revision;
  /** Of the states. */
  readonly timeMs: number;
  /** Updates before the feed was asked to follow what is provisional. */
  readonly updates: number;
  /** Updates when it had been shown. The second one after it is later, also when the server's clock has stepped back. */
  readonly shownUpdates: number;
}

/**
 * One subscriber: what it missed, or a snapshot, from the store; then what changes, from the selection that it shares
 * with its equals. Every message has the token with which to go on after it.
 */
export class Subscriber {
  readonly #selection: LiveSelection;
  readonly #options: QueryOptions;
  readonly #context: CallContext;
  readonly #clock: Clock;
  readonly #intervalMs: number;
  readonly #scope: TokenScope;
  readonly #reader: SelectionReader;
  /** Series that the call has been told, by `ordinalOf`. */
  readonly #told = new SeriesIds();
  /** What the latest token says. */
  #place: Place;
  /** Changes wait until the feed has told all that the store has shown: they would be older. */
  #shown: Shown | undefined;
  #sentMs = Number.NEGATIVE_INFINITY;
  #changesSentMs = Number.NEGATIVE_INFINITY;
  /** When the changes that wait are to be sent; undefined: not settled yet. */
  #dueMs: number | undefined;
  #caughtUpMs = Number.NEGATIVE_INFINITY;
  #stalledMs = 0;

  constructor(selection: LiveSelection, request: SubscriberRequest, context: CallContext, options: QueryOptions) {
    this.#selection = selection;
    this.#options = options;
    this.#context = context;
    this.#clock = options.clock;
    this.#intervalMs = request.intervalMs;
    this.#scope = request.scope;
    this.#reader = selection.join();
    // Nothing has been shown yet, so nothing of it may become final.
    this.#place = request.from ?? { ...selection.place, fromMs: Number.POSITIVE_INFINITY };
  }

  async *messages(begins: Place | undefined): AsyncGenerator<Uint8Array, void> {
    const { draining } = this.#context;
    const wake = () => this.#reader.wake?.call();
    draining.addEventListener("abort", wake, { once: true });
    try {
      if (begins?.kind === "snapshot") yield* this.#inTurn((turn) => this.#readSnapshot(turn, begins.fromMs));
      else if (begins?.kind === "changes") yield* this.#inTurn((turn) => this.#catchUp(turn, begins));
      if (!this.#isOver) yield* this.#sendHeartbeat();
      while (!this.#isOver) yield* this.#step();
      if (!this.#context.signal.aborted) yield* this.#sendEnd();
    } finally {
      draining.removeEventListener("abort", wake);
      this.#selection.leave(this.#reader);
    }
  }

  get #isOver(): boolean {
    const { signal, draining } = this.#context;
    const isStalled = this.#stalledMs > this.#stalledMsMax;
    return signal.aborted || draining.aborted || isStalled || this.#options.subscriptions.ending;
  }

  get #stalledMsMax(): number {
    return this.#options.stalledMsMax ?? subscriberStalledMsMax;
  }

  /** Sends what is due, or waits for it. */
  async *#step(): AsyncGenerator<Uint8Array, void> {
    const nowMs = this.#clock.elapsedMs();
    const heartbeatMs = this.#sentMs + heartbeatIntervalMs;
    const isHeld = !this.#feedHasTold();
    const waits = this.#reader.cursor < this.#selection.lastChange;
    const changesMs = isHeld || !waits ? Number.POSITIVE_INFINITY : this.#nextChangesMs(nowMs);
    if (changesMs <= nowMs) yield* this.#sendChanges(nowMs);
    else if (heartbeatMs <= nowMs) yield* this.#sendHeartbeat();
    else {
      const wakesFor = isHeld ? "update" : waits ? undefined : "changes";
      await this.#wait(Math.min(changesMs, heartbeatMs) - nowMs, wakesFor);
    }
  }

  #nextChangesMs(nowMs: number): number {
    // Once for each time that changes wait: one whose turn comes late, after many others, would be put off for ever.
    this.#dueMs ??= this.#selection.sendTimes(this.#intervalMs).nextMs(this.#changesSentMs, nowMs);
    const isBehind = this.#selection.isBehind(this.#reader);
    return isBehind ? Math.max(this.#dueMs, this.#caughtUpMs + catchUpIntervalMsMin) : this.#dueMs;
  }

  /** @param wakesFor undefined: for nothing but the end */
  async #wait(timeoutMs: number, wakesFor: "changes" | "update" | undefined): Promise<void> {
    await waitFor(timeoutMs, this.#context.signal, (call) => {
      this.#reader.wake = call === undefined ? undefined : { for: wakesFor ?? "end", call };
    });
  }

  /** All that has changed by now, in frames. What changes meanwhile goes with the next ones. */
  async *#sendChanges(nowMs: number): AsyncGenerator<Uint8Array, void> {
    this.#selection.sendTimes(this.#intervalMs).sent(nowMs);
    this.#changesSentMs = nowMs;
    this.#dueMs = undefined;
    if (this.#selection.isBehind(this.#reader)) {
      const place = this.#place;
      // A snapshot is complete before changes are sent.
      if (place.kind === "changes") yield* this.#inTurn((turn) => this.#catchUp(turn, place));
      if (!this.#isOver) yield* this.#sendHeartbeat();
      return;
    }
    const last = this.#selection.lastChange;
    while (this.#reader.cursor < last && !this.#isOver && !this.#selection.isBehind(this.#reader)) {
      const page = this.#selection.pageAfter(this.#reader.cursor);
      if (page === undefined) return;
      this.#reader.cursor = page.to;
      if (page.to === this.#selection.lastChange) this.#place = this.#selection.place;
      yield* this.#send(this.#pageMessage(page));
    }
  }

  /** Those who know all series of a page and have the same token are sent the same bytes. */
  #pageMessage(page: LivePage): Uint8Array {
    const series: SeriesRow[] = [];
    for (const id of page.series) {
      if (!this.#told.add(this.#selection.ordinalOf(id))) continue;
      const row = this.#options.subscriptions.feed.seriesOf(id);
      if (row !== undefined) series.push(row);
    }
    const token = this.#token();
    if (series.length > 0) return frameMessage("changes", page.frame, series, token);
    if (page.message === undefined || Buffer.compare(page.message.token, token) !== 0) {
      page.message = { token, bytes: frameMessage("changes", page.frame, [], token) };
    }
    return page.message.bytes;
  }

  /** Runs when it has a turn to read the store, and again when it has lost it. */
  async *#inTurn(run: (turn: StoreTurn) => AsyncGenerator<Uint8Array, void>): AsyncGenerator<Uint8Array, void> {
    for (let again = true; again && !this.#isOver; ) {
      const turn = await this.#options.subscriptions.turn(this.#context.signal);
      try {
        yield* run(turn);
      } finally {
        turn.end();
      }
      again = turn.isLost;
    }
  }

  async *#readSnapshot(turn: StoreTurn, fromMs: number): AsyncGenerator<Uint8Array, void> {
    const { revision: joined } = this.#rejoin();
    const store = new StoreShown(this.#options, this.#selection);
    const asked = { ...store.asked, groupBy: [], fromMs, toMs: timeMsMax };
    const { reading, revision } = await beginAnswer(asked, this.#options);
    turn.read(reading);
    yield* this.#showPages(turn, "snapshot", revision, store);
    if (turn.isLost || this.#isOver) return;
    this.#place = { kind: "changes", revision: joined, fromMs: store.provisionalFromMs };
    this.#shown = store.shown;
  }

  /** What has changed since a place, from the store: of another call, or of this one when it was too slow. */
  async *#catchUp(turn: StoreTurn, since: ChangesPlace): AsyncGenerator<Uint8Array, void> {
    const { reader, barrier } = this.#options;
    const { revision: joined } = this.#rejoin();
    const store = new StoreShown(this.#options, this.#selection);
    const revision = await barrier(this.#selection.request.selector, true);
    // The place would say that all has been sent, and some of it cannot be seen yet.
    if (revision < joined) throw storeBehind();
    // A power cut may take back what was acked without fsync, a replaced directory anything.
    if (since.revision > revision) {
      throw anotherStore(`is of commit ${since.revision}, of which this database has ${revision}`);
    }
    const fromMs = Math.max(since.fromMs, timeMsMin);
    if (fromMs <= timeMsMax) {
      const answer = await beginAnswer({ ...store.asked, groupBy: [], fromMs, toMs: timeMsMax }, this.#options);
      turn.read(answer.reading);
      yield* this.#showPages(turn, "changes", answer.revision, store);
      if (turn.isLost || this.#isOver) return;
    }
    turn.read(await reader.openChanged({ ...store.asked, after: since.revision, beforeMs: fromMs }));
    yield* this.#showPages(turn, "changes", revision, store);
    if (turn.isLost || this.#isOver) return;
    this.#place = { kind: "changes", revision: joined, fromMs: store.provisionalFromMs };
    this.#shown = store.shown;
    this.#caughtUpMs = this.#clock.elapsedMs();
  }

  /** Whatever changes from here on comes from the selection. */
  #rejoin(): ChangesPlace {
    this.#reader.cursor = this.#selection.lastChange;
    return this.#selection.place;
  }

  async *#showPages(
    turn: StoreTurn,
    kind: "snapshot" | "changes",
    revision: Revision,
    store: StoreShown,
  ): AsyncGenerator<Uint8Array, void> {
    for (;;) {
      const page = await turn.nextPage(frameWindowsMax);
      if (page === undefined || this.#isOver) return;
      if (page.windows.length === 0) continue;
      await store.show(page);
      const taken = turn.waitFor();
      try {
        yield* this.#send(this.#storeMessage(kind, page, revision));
      } finally {
        taken();
      }
    }
  }

  #storeMessage(kind: "snapshot" | "changes", page: AnswerPage, revision: Revision): Uint8Array {
    const { widthMs, columns } = this.#selection.request;
    const series = page.series.filter(({ id }) => this.#told.add(this.#selection.ordinalOf(id)));
    const frame = encodeFrame({ widthMs, revision, series: [] }, page.windows, columns, page.quantileValues);
    return frameMessage(kind, frame, series, this.#token());
  }

  /** Whether the feed has told all that the store has shown. */
  #feedHasTold(): boolean {
    if (this.#shown === undefined) return true;
    const { feed } = this.#options.subscriptions;
    const { revision, timeMs, updates, shownUpdates } = this.#shown;
    const isLater = feed.latest.timeMs >= timeMs || feed.updates >= shownUpdates + 2;
    if (feed.latest.revision < revision || !isLater || feed.updates <= updates) return false;
    this.#shown = undefined;
    return true;
  }

  async *#sendHeartbeat(): AsyncGenerator<Uint8Array, void> {
    const isAtEnd = this.#reader.cursor === this.#selection.lastChange;
    if (isAtEnd && this.#place.kind === "changes" && this.#feedHasTold()) this.#place = this.#selection.place;
    const revision = this.#place.kind === "changes" ? this.#place.revision : 0;
    yield* this.#send(heartbeatMessage(revision, this.#clock.nowMs(), this.#token()));
  }

  async *#sendEnd(): AsyncGenerator<Uint8Array, void> {
    const { TOO_SLOW, DRAIN } = SubscriptionEndReason;
    const stalledS = Math.round(this.#stalledMs / 1_000);
    const isTooSlow = this.#stalledMs > this.#stalledMsMax;
    yield* isTooSlow
      ? this.#send(
          endMessage(TOO_SLOW, `nothing was read for ${stalledS} s; subscribe again with the token`, this.#token()),
        )
      : this.#send(
          endMessage(DRAIN, "the server is giving up this connection; subscribe again with the token", this.#token()),
        );
  }

  /** Hands a message on, and sees how long the client takes for it. */
  async *#send(message: Uint8Array): AsyncGenerator<Uint8Array, void> {
    const fromMs = this.#clock.elapsedMs();
    // One who does not read cannot be told that it is over.
    const cut = setTimeout(() => this.#context.cut(), this.#stalledMsMax + subscriberEndMsMax);
    try {
      yield message;
    } finally {
      clearTimeout(cut);
    }
    this.#sentMs = this.#clock.elapsedMs();
    this.#stalledMs = this.#sentMs - fromMs;
  }

  #token(): Uint8Array {
    return this.#scope.encode(this.#place);
  }
}

function storeBehind(): TelemetryError {
  return new TelemetryError(
    "UNAVAILABLE",
    "STORE_BEHIND",
    "the server cannot store what it has acked (is its disk full?), so what changed since the resume token cannot be " +
      "found; subscribe again with the token when there is space",
  );
}

/** What a subscriber is shown by the store at one time. */
class StoreShown {
  readonly asked;
  /** No window that was shown as provisional starts earlier; infinity: none was. */
  provisionalFromMs = Number.POSITIVE_INFINITY;
  readonly #options: QueryOptions;
  readonly #selection: LiveSelection;
  readonly #deviceIds = new Map<number, string>();
  #revision: Revision = 0;
  #updates = -1;

  constructor(options: QueryOptions, selection: LiveSelection) {
    this.#options = options;
    this.#selection = selection;
    const { selector, widthMs, quantiles } = selection.request;
    this.asked = { selector, widthMs, quantiles, nowMs: options.clock.nowMs(), latenessMs: options.latenessMs };
  }

  get shown(): Shown {
    const shownUpdates = this.#options.subscriptions.feed.updates;
    return { revision: this.#revision, timeMs: this.asked.nowMs, updates: this.#updates, shownUpdates };
  }

  /** To be called before a page is shown: what is provisional in it will be told when it is final. */
  async show({ windows, series }: AnswerPage): Promise<void> {
    for (const { id, deviceId } of series) this.#deviceIds.set(id, deviceId);
    const followed: FollowedWindow[] = [];
    for (let i = 0; i < windows.length; i += 1) {
      this.#revision = Math.max(this.#revision, windows.revisions[i]);
      if (windows.states[i] !== provisionalState) continue;
      const startMs = windows.starts[i];
      this.provisionalFromMs = Math.min(this.provisionalFromMs, startMs);
      this.#selection.showedProvisional(windows.series[i], startMs);
      followed.push({ deviceId: this.#deviceIds.get(windows.series[i]) ?? "", series: windows.series[i], startMs });
    }
    if (followed.length === 0) return;
    const { feed } = this.#options.subscriptions;
    await feed.follow(this.asked.widthMs, followed);
    this.#updates = feed.updates;
  }
}
