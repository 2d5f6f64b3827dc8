import { create, toBinary } from "@bufbuild/protobuf";
import type { Clock } from "../lib/base/clock.ts";
import { fromFields, TelemetryError } from "../lib/base/errors.ts";
import { answersWaitingMax, slowDownAfterMs, slowDownAgainMs } from "../lib/base/limits.ts";
import { neverAborted, waitFor } from "../lib/base/wait.ts";
import { SlowDownCause, StreamBatchesResponseSchema } from "../proto/gen/telemetry/v1/ingest_service_pb.js";
import type { Settlement } from "./call.ts";
import type { CallEvent, CallMethod } from "./slab.ts";

/** The way to the writer thread, which all calls share. */
export interface RequestWay {
  /** Whether devices have a rate that the writer may hold them to. */
  readonly hasRates: boolean;
  /**
   * Request bytes that a call may have in flight. One that is alone may fill the way; beside others it
   * has a share, or those who send little would wait behind all of it.
   */
  readonly callBytesMax: number;
  /** Hands an event of a call on. @param message must not change afterwards */
  add(call: InletCall, event: CallEvent, message?: Uint8Array): void;
  /** Gives the bytes a place, if they need not wait for it. @returns whether they have one */
  reserveNow(bytes: number): boolean;
  /** Resolves when the bytes have a place; messages get theirs in turn. */
  reserve(bytes: number): Promise<void>;
  /** Gives a place back that was not used. */
  release(bytes: number): void;
  /** The call wants no answers any more. */
  remove(call: InletCall): void;
}

/** One call on the I/O thread. */
export class InletCall {
  readonly id: number;
  readonly method: CallMethod;
  readonly #way: RequestWay;
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

  constructor(way: RequestWay, id: number, method: CallMethod, clock: Clock) {
    this.#way = way;
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
   * @param message must not change afterwards
   * @returns false: it was not taken, and is to be sent
   */
  sendNow(message: Uint8Array): boolean {
    if (this.#state !== "open" || this.#full || this.#quotaMs > 0) return false;
    if (this.#waitsToRegister(message)) return false;
    if (!this.#way.reserveNow(message.length)) return false;
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
    await this.#whileSlow(memoryFull, this.#way.reserve(message.length));
    if (this.#state !== "open") {
      this.#way.release(message.length);
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
    this.#way.add(this, "message", message);
  }

  /** The client has closed its side: it is answered when everything is settled. */
  halfClose(): void {
    if (this.#state !== "open") return;
    this.#state = "half-closed";
    this.#way.add(this, "half-close");
    this.#wake();
  }

  /** The client is gone: nobody waits for answers. */
  cancel(): void {
    if (this.#state === "over") return;
    this.#state = "over";
    this.#way.add(this, "cancel");
    this.#way.remove(this);
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
    const full = this.#bytesInFlight >= this.#way.callBytesMax || this.#answers.length >= answersWaitingMax;
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
    return this.#way.hasRates && !isSettled && this.#state === "open";
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

/** The server takes no more. */
export function drainError(): TelemetryError {
  return new TelemetryError(
    "UNAVAILABLE",
    "DRAINING",
    "the server is shutting down; connect again, register to learn what was kept, and send the rest",
  );
}
