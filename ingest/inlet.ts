import { create, toBinary } from "@bufbuild/protobuf";
import { fromFields, TelemetryError } from "../lib/base/errors.ts";
import {
  answersWaitingMax,
  callBytesInFlightMax,
  ingestBytesInFlightMax,
  slowDownAfterMs,
  slowDownAgainMs,
} from "../lib/base/limits.ts";
import { SlowDownCause, StreamBatchesResponseSchema } from "../proto/gen/telemetry/v1/ingest_service_pb.js";
import type { Settlement } from "./call.ts";
import { type CallEvent, type CallMethod, type Slab, SlabBuilder } from "./slab.ts";

/** Where slabs go. */
export interface SlabSink {
  submit(slab: Slab): void;
}

/**
 * The way of requests into the writer thread, and of answers back, with a bound on both: a call that has
 * too many bytes in flight, or too many answers unread, waits; when all calls together have too many,
 * they wait in turn. Who waits does not read its stream, and HTTP/2's window stops the sender.
 */
export class Inlet {
  readonly #sink: SlabSink;
  readonly #builder = new SlabBuilder();
  readonly #calls = new Map<number, InletCall>();
  /** Messages that wait for bytes of all calls to settle, the longest waiting first. */
  readonly #waiting: { bytes: number; resolve: () => void }[] = [];
  #bytesInFlight = 0;
  #nextCall = 1;
  #draining = false;

  constructor(sink: SlabSink) {
    this.#sink = sink;
  }

  /** Request bytes of all calls that are not settled yet. */
  get bytesInFlight(): number {
    return this.#bytesInFlight;
  }

  get openCalls(): number {
    return this.#calls.size;
  }

  /** Request bytes in flight of the call that has the most. */
  get fullestCallBytes(): number {
    let most = 0;
    for (const call of this.#calls.values()) most = Math.max(most, call.bytesInFlight);
    return most;
  }

  /** @throws TelemetryError UNAVAILABLE while draining */
  open(method: CallMethod): InletCall {
    if (this.#draining) throw drainError();
    const call = new InletCall(this, this.#nextCall, method);
    this.#nextCall = (this.#nextCall % 0x7fff_ffff) + 1;
    this.#calls.set(call.id, call);
    this.add(call, `open ${method}`);
    return call;
  }

  /** Takes no more requests; what was taken is settled and answered, and every call ends. */
  drain(): void {
    this.#draining = true;
    for (const call of this.#calls.values()) call.drain();
  }

  onSettled(settlements: readonly Settlement[], slabBytes: number): void {
    this.#bytesInFlight -= slabBytes;
    for (const settlement of settlements) {
      const call = this.#calls.get(settlement.call);
      if (settlement.end !== undefined) this.#calls.delete(settlement.call);
      call?.settle(settlement);
    }
    this.#grant();
  }

  /** For calls of this inlet. */
  add(call: InletCall, event: CallEvent, message?: Uint8Array): void {
    if (this.#builder.empty) setImmediate(() => this.#sink.submit(this.#builder.build()));
    this.#builder.add(call.id, event, message);
  }

  /** For calls of this inlet: resolves when the bytes have a place; messages get theirs in turn. */
  async reserve(bytes: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.push({ bytes, resolve });
    this.#grant();
    await promise;
  }

  /** For calls of this inlet: gives a place back that was not used. */
  release(bytes: number): void {
    this.#bytesInFlight -= bytes;
    this.#grant();
  }

  /** For calls of this inlet. */
  remove(call: InletCall): void {
    this.#calls.delete(call.id);
  }

  #grant(): void {
    while (this.#bytesInFlight < ingestBytesInFlightMax) {
      const next = this.#waiting.shift();
      if (next === undefined) return;
      this.#bytesInFlight += next.bytes;
      next.resolve();
    }
  }
}

/** One call on the I/O thread. */
export class InletCall {
  readonly id: number;
  readonly method: CallMethod;
  readonly #inlet: Inlet;
  readonly #answers: Uint8Array[] = [];
  #state: "open" | "half-closed" | "over" = "open";
  #failure: TelemetryError | undefined;
  #bytesInFlight = 0;
  #drained = false;
  #taken = false;
  /** Wakes whoever waits for answers, or for room. */
  #changed = Promise.withResolvers<void>();

  constructor(inlet: Inlet, id: number, method: CallMethod) {
    this.#inlet = inlet;
    this.id = id;
    this.method = method;
  }

  /** Request bytes that are not settled yet. */
  get bytesInFlight(): number {
    return this.#bytesInFlight;
  }

  /** Whether the server has ended the call before its client did. */
  get drained(): boolean {
    return this.#drained;
  }

  /**
   * Takes a request message. Resolves when the next may be read.
   * @param message must not change afterwards
   * @returns false when the call takes no more
   */
  async send(message: Uint8Array): Promise<boolean> {
    await this.#whileSlow(memoryFull, this.#inlet.reserve(message.length));
    if (this.#state !== "open") {
      this.#inlet.release(message.length);
      return false;
    }
    this.#bytesInFlight += message.length;
    this.#taken = true;
    this.#inlet.add(this, "message", message);
    if (this.#full) await this.#whileSlow(diskBehind, this.#room());
    return this.#state === "open";
  }

  /** The client has closed its side: it is answered when everything is settled. */
  halfClose(): void {
    if (this.#state !== "open") return;
    this.#state = "half-closed";
    this.#inlet.add(this, "half-close");
    this.#wake();
  }

  /** The client is gone: nobody waits for answers. */
  cancel(): void {
    if (this.#state === "over") return;
    this.#state = "over";
    this.#inlet.add(this, "cancel");
    this.#inlet.remove(this);
    this.#wake();
  }

  /** The server is ending: what was taken is settled first. */
  drain(): void {
    if (this.#state !== "open") return;
    this.#drained = true;
    // An upload is acked at its end, which only its client can name; a push that still waits was not taken.
    if (this.method === "upload" || (this.method === "push" && !this.#taken)) {
      this.#failure = drainError();
      this.cancel();
    } else this.halfClose();
  }

  settle({ bytes, answers, end }: Settlement): void {
    this.#bytesInFlight -= bytes;
    this.#answers.push(...answers);
    if (end !== undefined) {
      this.#state = "over";
      if (end !== "ok") this.#failure = fromFields(end);
    }
    this.#wake();
  }

  /**
   * The encoded responses, until the call is over.
   * @throws TelemetryError when it ends with an error
   */
  async *answers(): AsyncGenerator<Uint8Array, void> {
    for (;;) {
      const answer = this.#answers.shift();
      if (answer !== undefined) {
        this.#wake();
        yield answer;
      } else if (this.#failure !== undefined) throw this.#failure;
      else if (this.#state === "over") return;
      else await this.#changed.promise;
    }
  }

  get #full(): boolean {
    const full = this.#bytesInFlight >= callBytesInFlightMax || this.#answers.length >= answersWaitingMax;
    return full && this.#state === "open";
  }

  async #room(): Promise<void> {
    while (this.#full) await this.#changed.promise;
  }

  /** Tells the client why its stream is not read, while that lasts. */
  async #whileSlow(reason: Uint8Array, wait: Promise<void>): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const tell = () => {
      if (this.method === "stream" && this.#answers.length < answersWaitingMax) this.#answers.push(reason);
      this.#wake();
      timer = setTimeout(tell, slowDownAgainMs);
    };
    timer = setTimeout(tell, slowDownAfterMs);
    await wait;
    clearTimeout(timer);
  }

  #wake(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }
}

const diskBehind = encodeSlowDown(SlowDownCause.DISK, "the writer or the disk is behind this stream");
const memoryFull = encodeSlowDown(SlowDownCause.MEMORY, "all streams together have filled the server's ingest buffer");

function encodeSlowDown(cause: SlowDownCause, detail: string): Uint8Array {
  const message = { case: "slowDown", value: { cause, detail } } as const;
  return toBinary(StreamBatchesResponseSchema, create(StreamBatchesResponseSchema, { message }));
}

function drainError(): TelemetryError {
  return new TelemetryError(
    "UNAVAILABLE",
    "DRAINING",
    "the server is shutting down; connect again, register to learn what was kept, and send the rest",
  );
}
