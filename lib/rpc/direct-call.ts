import { constants, type Http2Server, type IncomingHttpHeaders, type ServerHttp2Stream } from "node:http2";
import { type ServerDuplexStream, status } from "@grpc/grpc-js";
import type { Credentials, Identity } from "../access/access.ts";
import type { Principal } from "../access/principal.ts";
import type { Clock } from "../base/clock.ts";
import { TelemetryError } from "../base/errors.ts";
import { messageBytesHardMax } from "../base/limits.ts";
import type { Log } from "../base/log.ts";
import { cancelled, type OnCallOver, statusName } from "./call-over.ts";
import { type Connections, peerOf } from "./connections.ts";
import { certificateOf, type Gate } from "./gate.ts";
import { joinMessages, MessageSplitter } from "./message-splitter.ts";
import { toStatus } from "./status.ts";

/** Who takes what comes on a call. */
export interface DirectReceiver {
  /**
   * @param message shares its memory with what came with it: to keep it for long keeps all of that
   * @returns false: no more until `resume`
   */
  onMessage(message: Uint8Array): boolean;
  /** The client has closed its side, and all its messages were handed on. */
  onEnd(): void;
  /** The connection is to be given up: the receiver ends the call when it can. Without it, the call is cut after a while. */
  onDrain?(): void;
  /** The call is over: ended, cancelled, or its connection is gone. */
  onOver(): void;
}

/** A bidirectional call, by callbacks. */
export interface DirectCall {
  /** Messages may come again. */
  resume(): void;
  /**
   * Sends messages together. To be called again when `onSent` was: a client that does not read then costs what one call
   * sends.
   * @param onSent they have left for the network; never called when the call is over before
   */
  send(messages: readonly Uint8Array[], onSent: () => void): void;
  /** Ends the call, behind what was sent: with OK, or with the status that an error comes to (`status.ts`). */
  end(error?: unknown): void;
}

/** @throws TelemetryError when it does not take the call */
export type DirectHandler = (call: DirectCall, principal: Principal) => DirectReceiver;

/** What calls of every method need. */
export interface CallEnvironment {
  readonly gate: Gate;
  readonly connections: Connections;
  readonly onCallOver: OnCallOver;
  readonly clock: Clock;
  readonly log: Log;
}

/** Stands where a handler does: the method's calls go past grpc-js, but for those that only it can read. */
export class Direct {
  readonly handler: DirectHandler;

  constructor(handler: DirectHandler) {
    this.handler = handler;
  }
}

/**
 * A call that goes past grpc-js, straight on Node's HTTP/2 stream. grpc-js takes some promises, a pause and a resume for
 * each message: a stream of small batches costs half as much without (docs/decisions/0017).
 */
export class Http2Call implements DirectCall {
  readonly #stream: ServerHttp2Stream;
  readonly #context: CallEnvironment;
  readonly #splitter = new MessageSplitter(messageBytesHardMax);
  #receiver: DirectReceiver | undefined;
  #isReading = true;
  #hasEnded = false;
  #isEnding = false;
  #isOver = false;
  /** The call ends with it when its receiver ends it with nothing else. */
  #failure: TelemetryError | undefined;
  #status = cancelled;

  constructor(stream: ServerHttp2Stream, context: CallEnvironment) {
    this.#stream = stream;
    this.#context = context;
  }

  /** Answers the call's headers, and hands its messages on, when it is let in. */
  start(handler: DirectHandler, headers: IncomingHttpHeaders): void {
    const stream = this.#stream;
    // Whatever it is, `close` follows.
    stream.on("error", () => {});
    // A reset without an error code leaves a stream open that waits to be read.
    stream.once("aborted", () => stream.destroy());
    if (stream.destroyed || stream.closed || stream.session === undefined) return;
    const path = headers[":path"] ?? "";
    const peer = peerOf(stream.session);
    this.#tellWhenOver(path, peer);
    stream.respond(responseHeaders, { waitForTrailers: true });
    try {
      const identity = this.#context.gate.admit(path, credentialsOf(stream, headers));
      if (identity instanceof Promise) {
        identity.then((found) => this.#begin(handler, found, peer)).catch((error: unknown) => this.end(error));
      } else this.#begin(handler, identity, peer);
    } catch (error) {
      this.end(error);
    }
  }

  #tellWhenOver(path: string, peer: string): void {
    const { clock, onCallOver } = this.#context;
    const startMs = clock.elapsedMs();
    this.#stream.once("close", () => {
      // Its end may look like any other before that is known.
      const wasReset = this.#stream.rstCode !== constants.NGHTTP2_NO_ERROR;
      const status = wasReset ? cancelled : this.#status;
      onCallOver({ path, status, durationMs: clock.elapsedMs() - startMs, peer });
    });
  }

  #begin(handler: DirectHandler, identity: Identity, peer: string): void {
    const stream = this.#stream;
    if (stream.destroyed) return;
    const { gate, connections } = this.#context;
    const receiver = handler(this, identity.principal);
    this.#receiver = receiver;
    const leave = gate.enter(identity, (error) => {
      this.end(error);
      this.#onOver();
    });
    const draining = connections.draining(peer);
    const drain = () => receiver.onDrain?.();
    draining.addEventListener("abort", drain, { once: true });
    stream.once("close", () => {
      leave();
      draining.removeEventListener("abort", drain);
    });
    stream.on("data", (piece: Buffer) => {
      if (this.#isEnding) return;
      this.#splitter.add(piece);
      this.#handOn();
    });
    stream.on("end", () => {
      this.#hasEnded = true;
      if (stream.closed) stream.destroy();
      else if (this.#isReading) this.#onEnd();
    });
    stream.once("close", () => this.#onOver());
  }

  resume(): void {
    if (this.#isReading || this.#isEnding) return;
    this.#isReading = true;
    this.#handOn();
    if (!this.#isReading) return;
    if (this.#hasEnded) this.#onEnd();
    else this.#stream.resume();
  }

  send(messages: readonly Uint8Array[], onSent: () => void): void {
    if (this.#isEnding) return;
    this.#stream.write(joinMessages(messages), (error) => {
      if (error === null || error === undefined) onSent();
    });
  }

  end(error?: unknown): void {
    if (this.#isEnding) return;
    this.#isEnding = true;
    const cause = error ?? this.#failure;
    const { code, details, metadata } = cause === undefined ? succeeded : toStatus(cause, this.#context.log);
    this.#status = statusName(code);
    const trailers = {
      ...metadata?.toHttp2Headers(),
      "grpc-status": String(code),
      "grpc-message": encodeURI(details ?? ""),
    };
    this.#stream.once("wantTrailers", () => this.#stream.sendTrailers(trailers));
    this.#stream.end();
    // What the client still sends would keep the stream open, unread.
    this.#stream.resume();
  }

  #handOn(): void {
    try {
      for (let message = this.#splitter.next(); message !== undefined; message = this.#splitter.next()) {
        const mayGoOn = this.#receiver?.onMessage(message) === true;
        if (this.#isEnding) return;
        if (mayGoOn) continue;
        this.#isReading = false;
        this.#stream.pause();
        return;
      }
    } catch (error) {
      this.end(error);
      // Its client may leave the stream open.
      this.#onOver();
    }
  }

  #onEnd(): void {
    if (this.#isEnding) return;
    // What came before is answered first.
    if (this.#splitter.isInside) this.#failure = cutOff;
    this.#receiver?.onEnd();
  }

  #onOver(): void {
    this.#isEnding = true;
    if (this.#isOver) return;
    this.#isOver = true;
    this.#receiver?.onOver();
  }
}

/** Has grpc-js carry a call that only it can read. */
export function carry(
  call: ServerDuplexStream<unknown, unknown>,
  handler: DirectHandler,
  principal: Principal,
  { connections, log }: CallEnvironment,
): void {
  let isEnding = false;
  let isReading = true;
  let hasEnded = false;
  const direct: DirectCall = {
    resume() {
      if (isReading || isEnding) return;
      isReading = true;
      if (hasEnded) receiver?.onEnd();
      else call.resume();
    },
    send(messages, onSent) {
      if (isEnding) return;
      for (const [i, message] of messages.entries()) {
        call.write(message, (error: unknown) => {
          if (i === messages.length - 1 && (error === null || error === undefined)) onSent();
        });
      }
    },
    end(error) {
      if (isEnding) return;
      isEnding = true;
      if (error === undefined) call.end();
      else call.emit("error", toStatus(error, log));
    },
  };
  let receiver: DirectReceiver | undefined;
  try {
    receiver = handler(direct, principal);
  } catch (error) {
    direct.end(error);
    return;
  }
  call.on("data", (message: Uint8Array) => {
    if (isEnding || receiver.onMessage(message) || isEnding) return;
    isReading = false;
    call.pause();
  });
  call.on("end", () => {
    hasEnded = true;
    if (isReading && !isEnding) receiver.onEnd();
  });
  const draining = connections.draining(call.getPeer());
  const drain = () => receiver.onDrain?.();
  draining.addEventListener("abort", drain, { once: true });
  // Fires after success too: it means that the call is over.
  call.on("cancelled", () => {
    isEnding = true;
    draining.removeEventListener("abort", drain);
    receiver.onOver();
  });
}

/**
 * Has the calls of some methods go past grpc-js; those that it must read, because they are compressed or have a deadline,
 * stay with it.
 * @param handlers by path of the method
 */
export function divert(
  http2: Http2Server,
  handlers: ReadonlyMap<string, DirectHandler>,
  context: CallEnvironment,
): void {
  const general = http2.listeners("stream") as ((...args: unknown[]) => void)[];
  http2.removeAllListeners("stream");
  http2.on("stream", (stream, headers, ...rest) => {
    const handler = isPlain(headers) ? handlers.get(headers[":path"] ?? "") : undefined;
    if (handler !== undefined) new Http2Call(stream, context).start(handler, headers);
    else for (const listener of general) listener.call(http2, stream, headers, ...rest);
  });
}

/** Whether nothing has to be known of a call but its path. */
function isPlain(headers: IncomingHttpHeaders): boolean {
  const { "content-type": type, "grpc-encoding": encoding = "identity", "grpc-timeout": timeout } = headers;
  const isGrpc = type === "application/grpc" || type === "application/grpc+proto";
  return isGrpc && encoding === "identity" && timeout === undefined && headers[":method"] === "POST";
}

/** By connection: to ask TLS for each call would take longer than a call. */
const certificates = new WeakMap<object, string | undefined>();

function credentialsOf({ session }: ServerHttp2Stream, { authorization }: IncomingHttpHeaders): Credentials {
  if (session === undefined) return { authorization, certificate: undefined };
  if (!certificates.has(session)) {
    certificates.set(session, certificateOf(session.socket));
  }
  return { authorization, certificate: certificates.get(session) };
}

const cutOff = new TelemetryError(
  "INTERNAL",
  "MALFORMED_FRAME",
  "the call was half-closed inside a message; send the whole message first",
);
const succeeded = { code: status.OK, details: "OK", metadata: undefined };
const responseHeaders = {
  ":status": 200,
  "content-type": "application/grpc+proto",
  "grpc-accept-encoding": "identity,deflate,gzip",
};
