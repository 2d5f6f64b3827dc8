import { Code, ConnectError } from "@connectrpc/connect";

/** What is to be done after a subscription ended. */
export type Ending =
  /** Again, with the token. */
  | { readonly kind: "again" }
  /** The server has another database: again without the token, and what is shown is not of it. */
  | { readonly kind: "anew" }
  | { readonly kind: "unauthenticated" }
  | { readonly kind: "refused"; readonly detail: string };

/** What it says of itself. */
export type ConnectionState =
  | { readonly kind: "idle" }
  | { readonly kind: "connecting" }
  | { readonly kind: "live" }
  | { readonly kind: "reconnecting"; readonly tries: number }
  /** Live again, and just so. */
  | { readonly kind: "resumed"; readonly afterMs: number; readonly isWhole: boolean }
  | { readonly kind: "unauthenticated" }
  | { readonly kind: "refused"; readonly detail: string };

/** Codes after which trying again may help. A network that is away is UNKNOWN in some browsers. */
const passing: ReadonlySet<Code> = new Set([
  Code.Unavailable,
  Code.Canceled,
  Code.ResourceExhausted,
  Code.DeadlineExceeded,
  Code.Aborted,
  Code.Internal,
  Code.Unknown,
]);

/** @param error undefined: the stream ended in order */
export function endingOf(error: unknown, hasToken: boolean): Ending {
  if (error === undefined) return { kind: "again" };
  const { code, rawMessage } = ConnectError.from(error);
  if (code === Code.Unauthenticated) return { kind: "unauthenticated" };
  // With a token it is the token that is of another store, or of a server that reads it otherwise.
  if (hasToken && (code === Code.FailedPrecondition || code === Code.InvalidArgument)) return { kind: "anew" };
  return passing.has(code) ? { kind: "again" } : { kind: "refused", detail: rawMessage };
}

/** For people; undefined when there is nothing to say. */
export function connectionText(state: ConnectionState): string | undefined {
  switch (state.kind) {
    case "connecting":
      return "connecting...";
    case "reconnecting":
      return `connection lost, reconnecting... (try ${state.tries})`;
    case "resumed": {
      const after = `${(state.afterMs / 1_000).toFixed(1)} s`;
      return state.isWhole
        ? `resumed without a hole after ${after}`
        : `connected again after ${after}: the server has another database, and the page began anew`;
    }
    case "unauthenticated":
      return "the server wants a token";
    case "refused":
      return `the server refused: ${state.detail}`;
    default:
      return undefined;
  }
}
