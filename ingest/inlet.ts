import type { Principal } from "../lib/access/principal.ts";
import { type Clock, systemClock } from "../lib/base/clock.ts";
import { callBytesFairMin, callBytesInFlightMax, ingestBytesInFlightMax, slabIntervalMs } from "../lib/base/limits.ts";
import { AckDelays } from "./ack-delays.ts";
import type { Settlement } from "./call.ts";
import { encodeGrant } from "./grant.ts";
import { drainError, InletCall, type RequestWay } from "./inlet-call.ts";
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
export class Inlet implements RequestWay {
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

  get callBytesMax(): number {
    return this.#clock.elapsedMs() < this.#sharedUntilMs ? this.#fairBytes : callBytesInFlightMax;
  }

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

  reserveNow(bytes: number): boolean {
    // While messages wait there is no room: whoever gives some back lets them go first.
    if (this.#bytesInFlight >= ingestBytesInFlightMax) return false;
    this.#bytesInFlight += bytes;
    return true;
  }

  async reserve(bytes: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.push({ bytes, resolve });
    this.#grant();
    await promise;
  }

  release(bytes: number): void {
    this.#bytesInFlight -= bytes;
    this.#grant();
  }

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
