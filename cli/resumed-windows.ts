import type { MessageInitShape } from "@bufbuild/protobuf";
import { Backoff } from "../lib/base/backoff.ts";
import type { Clock } from "../lib/base/clock.ts";
import { TelemetryError } from "../lib/base/errors.ts";
import { heartbeatIntervalMs } from "../lib/base/limits.ts";
import type { Prng } from "../lib/base/prng.ts";
import { waitFor } from "../lib/base/wait.ts";
import type { Client } from "../lib/rpc/client.ts";
import { FrameReader, type Window } from "../lib/wire/window-frame.ts";
import type {
  QueryService,
  SubscribeRequestSchema,
  SubscribeResponse,
} from "../proto/gen/telemetry/v1/query_service_pb.js";

/** What happens to who watches. */
export type WatchEvent =
  | { readonly kind: "windows"; readonly windows: readonly Window[] }
  /** Nothing changed. */
  | { readonly kind: "alive" }
  | { readonly kind: "lost" }
  | { readonly kind: "resumed"; readonly afterMs: number }
  /** The server has another database: what was shown before is not of it. */
  | { readonly kind: "anew" };

/** A server that has told nothing for so long is gone: heartbeats come more often. */
const silenceMsMax = 3 * heartbeatIntervalMs;

export interface WatchOptions {
  readonly client: Client<typeof QueryService, "messages">;
  readonly request: MessageInitShape<typeof SubscribeRequestSchema>;
  readonly signal: AbortSignal;
  readonly clock: Clock;
  readonly prng: Prng;
}

/**
 * The windows of a subscription, which goes on where it was after the connection is lost or the server has ended it: none
 * is missed, and none comes older than it was.
 * @throws TelemetryError when the server refuses the subscription for good
 */
export async function* resumedWindows(options: WatchOptions): AsyncGenerator<WatchEvent, void> {
  const { signal, clock, prng } = options;
  const backoff = new Backoff(prng);
  let token: Uint8Array = new Uint8Array();
  let lostMs: number | undefined;
  while (!signal.aborted) {
    const frames = new FrameReader();
    try {
      for await (const { event, resumeToken } of responses(options, token)) {
        token = resumeToken;
        backoff.reset();
        if (lostMs !== undefined && event.case !== "end") {
          yield { kind: "resumed", afterMs: clock.elapsedMs() - lostMs };
          lostMs = undefined;
        }
        if (event.case === "snapshot" || event.case === "changes") {
          yield { kind: "windows", windows: [...frames.read(event.value)] };
        } else yield { kind: "alive" };
      }
    } catch (error) {
      if (signal.aborted) return;
      if (isOfAnotherStore(error)) {
        token = new Uint8Array();
        yield { kind: "anew" };
        continue;
      }
      if (!passes(error)) throw error;
    }
    if (signal.aborted) return;
    if (lostMs === undefined) yield { kind: "lost" };
    lostMs ??= clock.elapsedMs();
    await waitFor(backoff.nextMs(), signal);
  }
}

/** Ends, like a connection that is lost, when nothing comes for too long. */
async function* responses({ client, request, signal }: WatchOptions, resumeToken: Uint8Array) {
  const over = new AbortController();
  const end = () => over.abort();
  signal.addEventListener("abort", end);
  let timer = setTimeout(end, silenceMsMax);
  try {
    for await (const response of client.subscribe({ ...request, resumeToken }, { signal: over.signal })) {
      clearTimeout(timer);
      yield response satisfies SubscribeResponse;
      timer = setTimeout(end, silenceMsMax);
    }
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", end);
  }
}

/** Whether trying again may help. */
function passes(error: unknown): boolean {
  return error instanceof TelemetryError && ["UNAVAILABLE", "CANCELLED", "RESOURCE_EXHAUSTED"].includes(error.status);
}

function isOfAnotherStore(error: unknown): boolean {
  return error instanceof TelemetryError && error.reason === "RESUME_TOKEN_OF_ANOTHER_STORE";
}
