import type { Http2Server, IncomingHttpHeaders, ServerHttp2Stream } from "node:http2";
import { TLSSocket } from "node:tls";
import { type ServerDuplexStream, status } from "@grpc/grpc-js";
import type { Credentials, Identity } from "../access/access.ts";
import type { Principal } from "../access/principal.ts";
import { TelemetryError } from "../base/errors.ts";
import { messageBytesHardMax } from "../base/limits.ts";
import type { Log } from "../base/log.ts";
import { commonName, type Gate } from "./gate.ts";
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
  readonly #log: Log;
  readonly #splitter = new MessageSplitter(messageBytesHardMax);
  #receiver: DirectReceiver | undefined;
  #isReading = true;
  #hasEnded = false;
  #isEnding = false;
  #isOver = false;
  /** The call ends with it when its receiver ends it with nothing else. */
  #failure: TelemetryError | undefined;

  constructor(stream: ServerHttp2Stream, log: Log) {
    this.#stream = stream;
    this.#log = log;
  }

  /** Answers the call's headers, and hands its messages on, when it is let in. */
  start(handler: DirectHandler, gate: Gate, headers: IncomingHttpHeaders): void {
    const stream = this.#stream;
    // Whatever it is, `close` follows.
    stream.on("error", () => {});
    // A reset without an error code leaves a stream open that waits to be read.
    stream.once("aborted", () => stream.destroy());
    if (stream.destroyed || stream.closed) return;
    stream.respond(responseHeaders, { waitForTrailers: true });
    try {
      const identity = gate.admit(headers[":path"] ?? "", credentialsOf(stream, headers));
      if (identity instanceof Promise) {
        identity.then((found) => this.#begin(handler, gate, found)).catch((error: unknown) => this.end(error));
      } else this.#begin(handler, gate, identity);
    } catch (error) {
      this.end(error);
    }
  }

  #begin(handler: DirectHandler, gate: Gate, identity: Identity): void {
    const stream = this.#stream;
    if (stream.destroyed) return;
    this.#receiver = handler(this, identity.principal);
    const leave = gate.enter(identity, (error) => {
      this.end(error);
      this.#onOver();
    });
    stream.once("close", leave);
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
    const { code, details, metadata } = cause === undefined ? succeeded : toStatus(cause, this.#log);
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
  log: Log,
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
  // Fires after success too: it means that the call is over.
  call.on("cancelled", () => {
    isEnding = true;
    receiver.onOver();
  });
}

/**
 * Has the calls of some methods go past grpc-js; those that it must read, because they are compressed or have a deadline,
 * stay with it. It does not know of the others: a limit on the idle time of connections would not count them.
 * @param handlers by path of the method
 */
export function divert(http2: Http2Server, handlers: ReadonlyMap<string, DirectHandler>, gate: Gate, log: Log): void {
  const general = http2.listeners("stream") as ((...args: unknown[]) => void)[];
  http2.removeAllListeners("stream");
  http2.on("stream", (stream, headers, ...rest) => {
    const handler = isPlain(headers) ? handlers.get(headers[":path"] ?? "") : undefined;
    if (handler !== undefined) new Http2Call(stream, log).start(handler, gate, headers);
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
    const { socket } = session;
    const isKnown = socket instanceof TLSSocket && socket.authorized;
    certificates.set(session, isKnown ? commonName(socket.getPeerCertificate().subject) : undefined);
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
