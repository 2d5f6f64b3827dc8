import type { MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { Backoff } from "../../../../lib/base/backoff.ts";
import type { Clock } from "../../../../lib/base/clock.ts";
import type { Prng } from "../../../../lib/base/prng.ts";
import { waitFor } from "../../../../lib/base/wait.ts";
import { FrameReader, type Window } from "../../../../lib/wire/frame-reader.ts";
import type { SeriesSelectorSchema } from "../../../../proto/gen/telemetry/v1/query_service_pb.js";
import { quantilesAsked } from "../state/series-columns.ts";
import type { Awake } from "./awake.ts";
import { aggregatesAsked } from "./history.ts";
import { type ConnectionState, endingOf } from "./resume.ts";
import type { Api } from "./transport.ts";

/** Heartbeats come every 5 s: a server that is silent for three is gone. */
const silenceMsMax = 15_000;
/** Charts are drawn once a second; half of that keeps a value's way to the screen under 2 s. */
const intervalMs = 500;

export interface SubscriptionOptions {
  readonly api: Api;
  readonly selector: MessageInitShape<typeof SeriesSelectorSchema>;
  /** Undefined: the finest. */
  readonly tierMs: number | undefined;
  /** Windows from then on come first; undefined: changes only. */
  readonly snapshotFromMs: number | undefined;
  readonly clock: Clock;
  readonly prng: Prng;
  readonly awake: Awake;
  readonly signal: AbortSignal;
  onWindows(windows: readonly Window[], revision: number): void;
  onState(state: ConnectionState): void;
}

/**
 * Hands on the windows of one subscription, which goes on where it was after the connection is lost: none is missed, and
 * none comes older than it was.
 * @returns when the signal is aborted, the server refuses for good, or it has another database (`anew`)
 */
export async function runSubscription(options: SubscriptionOptions): Promise<"over" | "anew"> {
  const { api, clock, awake, signal, onWindows, onState } = options;
  const backoff = new Backoff(options.prng);
  let token: Uint8Array = new Uint8Array();
  let lostMs: number | undefined;
  let tries = 0;
  onState({ kind: "connecting" });
  while (!signal.aborted) {
    const frames = new FrameReader();
    let error: unknown;
    try {
      for await (const { event, resumeToken } of responses(options, token)) {
        if (event.case === "end") continue;
        backoff.reset();
        if (lostMs !== undefined) onState({ kind: "resumed", afterMs: clock.elapsedMs() - lostMs, isWhole: true });
        else if (tries === 0) onState({ kind: "live" });
        lostMs = undefined;
        tries = 1;
        if (event.case === "snapshot" || event.case === "changes") {
          onWindows([...frames.read(event.value)], Number(event.value.revision));
        }
        // Only now: what could not be read comes again.
        token = resumeToken;
      }
    } catch (thrown) {
      error = thrown;
    }
    if (signal.aborted) break;
    const ending = endingOf(error, token.length > 0);
    if (ending.kind === "anew") return "anew";
    if (ending.kind !== "again") {
      if (ending.kind === "unauthenticated") api.needsToken.value = true;
      onState(ending);
      return "over";
    }
    if (lostMs === undefined) tries = 1;
    else tries += 1;
    lostMs ??= clock.elapsedMs();
    onState({ kind: "reconnecting", tries });
    await awake.untilVisible(signal);
    await waitFor(backoff.nextMs(), signal);
  }
  return "over";
}

/** Ends with an error, like a connection that is lost, when nothing comes for too long or nobody looks. */
async function* responses(options: SubscriptionOptions, resumeToken: Uint8Array) {
  const { api, selector, tierMs, snapshotFromMs, signal, awake } = options;
  const silence = new AbortController();
  const request = {
    selector,
    ...(tierMs !== undefined && { tier: durationFromMs(tierMs) }),
    ...(snapshotFromMs !== undefined && { snapshotFrom: timestampFromMs(snapshotFromMs) }),
    intervalMin: durationFromMs(intervalMs),
    quantiles: [...quantilesAsked],
    aggregates: aggregatesAsked,
    resumeToken,
  };
  const ends = AbortSignal.any([signal, silence.signal, awake.sleeping]);
  const timer = () => setTimeout(() => silence.abort(), silenceMsMax);
  let waiting = timer();
  try {
    // Without a deadline: it lasts as long as the tab.
    for await (const response of api.query.subscribe(request, { signal: ends, timeoutMs: 0 })) {
      clearTimeout(waiting);
      yield response;
      waiting = timer();
    }
  } finally {
    clearTimeout(waiting);
  }
}
