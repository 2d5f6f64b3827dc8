import { create, toBinary } from "@bufbuild/protobuf";
import type { Principal } from "../lib/access/principal.ts";
import { type Clock, systemClock } from "../lib/base/clock.ts";
import { fromFields, TelemetryError } from "../lib/base/errors.ts";
import {
  answersWaitingMax,
  callBytesFairMin,
  callBytesInFlightMax,
  ingestBytesInFlightMax,
  slabIntervalMs,
  slowDownAfterMs,
  slowDownAgainMs,
} from "../lib/base/limits.ts";
import { neverAborted, waitFor } from "../lib/base/wait.ts";
import { SlowDownCause, StreamBatchesResponseSchema } from "../proto/gen/telemetry/v1/ingest_service_pb.js";
import { AckDelays } from "./ack-delays.ts";
import type { Settlement } from "./call.ts";
import { encodeGrant } from "./grant.ts";
import { type CallEvent, type CallMethod, type Slab, SlabBuilder } from "./slab.ts";

/** Where slabs go. */
export interface SlabSink {
  submit(slab: Slab): void;
}

export interface InletOptions {
  readonly clock?: Clock;
  /** Whether devices have a rate that the writer may hold them to. */
  readonly hasRates?: boolean;
}

/**
 * The way of requests into the writer thread, and of answers back, with a bound on both: a call that has
 * too many bytes in flight, or too many answers unread, waits; when all calls together have too many,
 * they wait in turn; a call with a device over its rate waits until it is not, and with it the other devices of the
 * call. Who waits does not read its stream, and HTTP/2's window stops the sender.
 */
export class Inlet {
  /** For calls of this inlet. */
  readonly hasRates: boolean;
  /** Aborted when no more requests are taken. */
  readonly draining: AbortSignal;
  readonly ackDelays = new AckDelays();
  readonly #sink: SlabSink;
  readonly #clock: Clock;
  readonly #drain = new AbortController();
  readonly #builder = new SlabBuilder();
  readonly #calls = new Map<number, InletCall>();
  /** Messages that wait for bytes of all calls to settle, the longest waiting first. */
  readonly #waiting: { bytes: number; resolve: () => void }[] = [];
  #bytesInFlight = 0;
  #nextCall = 1;
  #fairBytes: number = callBytesInFlightMax;
  /** Until then, more than one call is taken to send. */
  #sharedUntilMs = Number.NEGATIVE_INFINITY;
  /** The one that has sent last. */
  #latestCall = 0;
  #submittedMs = Number.NEGATIVE_INFINITY;
  /** When the first event of the slab that is gathered came. */
  #gatheredSinceMs = 0;
  /** Whether the latest slab shows that others would have come soon. */
  #isBusy = false;

  constructor(sink: SlabSink, { clock = systemClock, hasRates = true }: InletOptions = {}) {
    this.#sink = sink;
    this.#clock = clock;
    this.hasRates = hasRates;
    this.draining = this.#drain.signal;
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
  open(method: CallMethod, principal: Principal): InletCall {
    if (this.draining.aborted) throw drainError();
    const call = new InletCall(this, this.#nextCall, method, this.#clock);
    this.#nextCall = (this.#nextCall % 0x7fff_ffff) + 1;
    this.#calls.set(call.id, call);
    const grant = encodeGrant(principal);
    // It is a part of a slab as messages are, and is settled with it.
    this.#bytesInFlight += grant?.length ?? 0;
    this.add(call, `open ${method}`, grant);
    return call;
  }

  /** Takes no more requests; what was taken is settled and answered, and every call ends. */
  drain(): void {
    this.#drain.abort();
    for (const call of this.#calls.values()) call.drain();
  }

  /** @param fairBytes what a call may have in flight beside others */
  onSettled(settlements: readonly Settlement[], slabBytes: number, fairBytes = callBytesInFlightMax): void {
    this.#bytesInFlight -= slabBytes;
    this.ackDelays.onSettled(slabBytes, this.#clock.elapsedMs());
    this.#fairBytes = Math.min(Math.max(Math.floor(fairBytes), callBytesFairMin), callBytesInFlightMax);
    for (const settlement of settlements) {
      const call = this.#calls.get(settlement.call);
      if (settlement.end !== undefined) this.#calls.delete(settlement.call);
      call?.settle(settlement);
    }
    this.#grant();
  }

  /**
   * Request bytes that a call may have in flight. One that is alone may fill the way; beside others it
   * has a share, or those who send little would wait behind all of it.
   */
  get callBytesMax(): number {
    return this.#clock.elapsedMs() < this.#sharedUntilMs ? this.#fairBytes : callBytesInFlightMax;
  }

  /** For calls of this inlet. */
  add(call: InletCall, event: CallEvent, message?: Uint8Array): void {
    if (call.id !== this.#latestCall) {
      this.#latestCall = call.id;
      this.#sharedUntilMs = this.#clock.elapsedMs() + sharedMs;
    }
    if (this.#builder.empty) this.#schedule();
    this.#builder.add(call.id, event, message);
  }

  /**
   * Submits what comes in this turn of the event loop; while much comes, what comes within `slabIntervalMs`: each slab
   * costs a commit, two hops between threads and an answer to each of its calls, whatever is in it.
   */
  #schedule(): void {
    this.#gatheredSinceMs = this.#clock.elapsedMs();
    const leftMs = slabIntervalMs - (this.#gatheredSinceMs - this.#submittedMs);
    if (leftMs > 0 && this.#isBusy) setTimeout(() => this.#submit(), leftMs);
    else setImmediate(() => this.#submit());
  }

  #submit(): void {
    this.#submittedMs = this.#clock.elapsedMs();
    this.#isBusy = this.#builder.events >= busySlabEvents;
    const slab = this.#builder.build();
    this.ackDelays.onSubmit(slab.bytes.length, this.#gatheredSinceMs);
    this.#sink.submit(slab);
  }

  /** For calls of this inlet: gives the bytes a place, if they need not wait for it. */
  reserveNow(bytes: number): boolean {
    // While messages wait there is no room: whoever gives some back lets them go first.
    if (this.#bytesInFlight >= ingestBytesInFlightMax) return false;
    this.#bytesInFlight += bytes;
    return true;
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

/** A call that has sent within this time counts as one that sends. */
const sharedMs = 1_000;

/** Fewer than this are of few senders, who may wait for their acks before they send more. */
const busySlabEvents = 8;

/** One call on the I/O thread. */
export class InletCall {
  readonly id: number;
  readonly method: CallMethod;
  readonly #inlet: Inlet;
  readonly #clock: Clock;
  /** Called when there are answers to take, or the call is over. */
  onChange: (() => void) | undefined;
  #answers: Uint8Array[] = [];
  #state: "open" | "half-closed" | "over" = "open";
  #failure: TelemetryError | undefined;
  #bytesInFlight = 0;
  /** Request bytes that were taken, settled ones too. */
  #bytesTaken = 0;
  /** Where in them the registrations end that the call begins with; -1 when it has gone on from them. */
  #registeredAt = 0;
  /** A device of the call is over its rate: nothing is taken until then. */
  #quota = { untilMs: 0, detail: "" };
  #drained = false;
  /** Wakes whoever waits for answers, or for room; undefined: nobody does. */
  #changed: PromiseWithResolvers<void> | undefined;
  #wakeWaiting: (() => void) | undefined;

  constructor(inlet: Inlet, id: number, method: CallMethod, clock: Clock) {
    this.#inlet = inlet;
    this.#clock = clock;
    this.id = id;
    this.method = method;
  }

  /** Request bytes that are not settled yet. */
  get bytesInFlight(): number {
    return this.#bytesInFlight;
  }

  /** Whether there will be no more answers than those that wait. */
  get isOver(): boolean {
    return this.#state === "over";
  }

  /** Why the call has failed; undefined: it has not. */
  get failure(): TelemetryError | undefined {
    return this.#failure;
  }

  /** Whether the server has ended the call before its client did. */
  get drained(): boolean {
    return this.#drained;
  }

  /**
   * Takes a request message if nothing has to be waited for: most are, without the price of a promise.
   * @param message must not change for a turn of the event loop
   * @returns false: it was not taken, and is to be sent
   */
  sendNow(message: Uint8Array): boolean {
    if (this.#state !== "open" || this.#full || this.#quotaMs > 0) return false;
    if (this.#waitsToRegister(message)) return false;
    if (!this.#inlet.reserveNow(message.length)) return false;
    this.#take(message);
    return true;
  }

  /**
   * Takes a request message. Resolves when the next may be read.
   * @param message must not change afterwards
   * @returns false when the call takes no more
   */
  async send(message: Uint8Array): Promise<boolean> {
    if (this.#full) await this.#whileSlow(diskBehind, this.#room());
    if (this.#waitsToRegister(message)) await this.#whileSlow(diskBehind, this.#registered());
    if (this.#quotaMs > 0) {
      await this.#whileSlow(encodeSlowDown(SlowDownCause.QUOTA, this.#quota.detail), this.#waitForQuota());
    }
    await this.#whileSlow(memoryFull, this.#inlet.reserve(message.length));
    if (this.#state !== "open") {
      this.#inlet.release(message.length);
      return false;
    }
    this.#take(message);
    if (this.#full) await this.#whileSlow(diskBehind, this.#room());
    return this.#state === "open";
  }

  #take(message: Uint8Array): void {
    this.#bytesInFlight += message.length;
    this.#bytesTaken += message.length;
    if (!isRegistration(message)) this.#registeredAt = -1;
    else if (this.#registeredAt !== -1) this.#registeredAt = this.#bytesTaken;
    this.#inlet.add(this, "message", message);
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
    if (this.method === "upload" || (this.method === "push" && this.#bytesTaken === 0)) {
      this.#failure = drainError();
      this.cancel();
    } else this.halfClose();
  }

  settle({ bytes, answers, end, delay }: Settlement): void {
    if (delay !== undefined) {
      const untilMs = this.#clock.elapsedMs() + delay.delayMs;
      if (untilMs > this.#quota.untilMs) this.#quota = { untilMs, detail: delay.detail };
    }
    this.#bytesInFlight -= bytes;
    for (const answer of answers) this.#answers.push(answer);
    if (end !== undefined) {
      this.#state = "over";
      if (end !== "ok") this.#failure = fromFields(end);
    }
    this.#wake();
    // They share a buffer with the answers of all calls, which is not to stay for those that wait.
    const waiting = this.#answers;
    for (let i = Math.max(0, waiting.length - answers.length); i < waiting.length; i += 1)
      waiting[i] = waiting[i].slice();
  }

  /** The encoded responses that wait, the caller's from now on. */
  takeAnswers(): Uint8Array[] {
    const answers = this.#answers;
    if (answers.length === 0) return [];
    this.#answers = [];
    this.#changed?.resolve();
    this.#changed = undefined;
    return answers;
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
      else await this.#change();
    }
  }

  get #full(): boolean {
    const full = this.#bytesInFlight >= this.#inlet.callBytesMax || this.#answers.length >= answersWaitingMax;
    return full && this.#state === "open";
  }

  async #room(): Promise<void> {
    while (this.#full) await this.#change();
  }

  /**
   * Only when a registration is settled is it known whether its device must wait, so a call goes on from those that it
   * begins with when they are settled. Later ones hold nobody up: the other devices of the call are sending.
   */
  get #registering(): boolean {
    const isSettled = this.#bytesTaken - this.#bytesInFlight >= this.#registeredAt;
    return this.#inlet.hasRates && !isSettled && this.#state === "open";
  }

  #waitsToRegister(message: Uint8Array): boolean {
    return this.#registering && !isRegistration(message);
  }

  async #registered(): Promise<void> {
    while (this.#registering) await this.#change();
  }

  /** Milliseconds until no device of the call is over its rate any more, as far as is known. */
  get #quotaMs(): number {
    if (this.#quota.untilMs === 0 || this.#state !== "open") return 0;
    return this.#quota.untilMs - this.#clock.elapsedMs();
  }

  async #waitForQuota(): Promise<void> {
    const arm = (wake: (() => void) | undefined) => {
      this.#wakeWaiting = wake;
    };
    for (let leftMs = this.#quotaMs; leftMs > 0; leftMs = this.#quotaMs) await waitFor(leftMs, neverAborted, arm);
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

  async #change(): Promise<void> {
    this.#changed ??= Promise.withResolvers();
    await this.#changed.promise;
  }

  #wake(): void {
    this.#wakeWaiting?.();
    this.#changed?.resolve();
    this.#changed = undefined;
    this.onChange?.();
  }
}

/** Field 1 of the three requests: a look at one byte, so that this thread need not read them. */
function isRegistration(message: Uint8Array): boolean {
  return message[0] === 0x0a;
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
