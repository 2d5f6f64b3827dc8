import { constants, type Http2Server, type IncomingHttpHeaders, type ServerHttp2Stream } from "node:http2";
import { status } from "@grpc/grpc-js";
import type { Credentials, Identity } from "../access/access.ts";
import { TelemetryError } from "../base/errors.ts";
import { messageBytesHardMax } from "../base/limits.ts";
import { cancelled, statusName } from "./call-over.ts";
import { peerOf } from "./connections.ts";
import type { CallEnvironment, DirectCall, DirectHandler, DirectReceiver } from "./direct-call.ts";
import { certificateOf } from "./gate.ts";
import { joinMessages, MessageSplitter } from "./message-splitter.ts";
import { toStatus } from "./status.ts";

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
