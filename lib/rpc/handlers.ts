import type { DescService } from "@bufbuild/protobuf";
import type { Principal } from "../access/principal.ts";
import type { Answered, Encoding, Received } from "./binding.ts";
import type { Direct } from "./direct-call.ts";

/** What a handler knows of its call. */
export interface CallContext {
  /** Aborted when the call is over: cancelled, past its deadline, or its connection is gone. */
  readonly signal: AbortSignal;
  readonly principal: Principal;
  /** Aborted when its connection is to be given up: a stream that can go on elsewhere ends. */
  readonly draining: AbortSignal;
  /** Ends the call at once, for a client that does not read: whatever it has not taken is let go of. */
  cut(): void;
}

/** A service's methods. What a handler throws becomes the call's status (`status.ts`). */
export type Handlers<S extends DescService, E extends Encoding> = {
  [K in keyof S["method"]]: Handler<S["method"][K], E>;
};

type Handler<M extends DescService["method"][string], E extends Encoding> = M["methodKind"] extends "unary"
  ? (request: Received<M["input"], E>, context: CallContext) => Promise<Answered<M["output"], E>>
  : M["methodKind"] extends "server_streaming"
    ? (request: Received<M["input"], E>, context: CallContext) => AsyncIterable<Answered<M["output"], E>>
    : M["methodKind"] extends "client_streaming"
      ? (requests: AsyncIterable<Received<M["input"], E>>, context: CallContext) => Promise<Answered<M["output"], E>>
      : BidiHandler<M, E> | (E extends "bytes" ? Direct : never);

type BidiHandler<M extends DescService["method"][string], E extends Encoding> = (
  requests: AsyncIterable<Received<M["input"], E>>,
  context: CallContext,
) => AsyncIterable<Answered<M["output"], E>>;
