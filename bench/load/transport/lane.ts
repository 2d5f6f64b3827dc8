import { TelemetryError } from "../../../lib/base/errors.ts";
import type { Channel } from "../../../lib/rpc/client.ts";
import type { Device } from "../device.ts";
import type { Outgoing } from "../message-source.ts";
import type { OpenStream, StreamListener, StreamWay } from "./stream-way.ts";

/** A message whose batches are not all acked. */
interface Waiting {
  batches: number;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** Registrations that wait for their answers: a server works them off in groups. */
const registrationsMax = 256;

/** One stream on a connection of its own, with the messages that are in flight on it. */
export class Lane {
  readonly #way: StreamWay;
  readonly #stream: OpenStream;
  readonly #cutting = new AbortController();
  /** By device handle: what its ack is awaited for. A device has one batch in flight at most. */
  readonly #awaited = new Map<number, { readonly sequence: number; readonly message: Waiting }>();
  readonly #unwritten: Uint8Array[] = [];
  #isWriting = false;
  #registrations: Waiting | undefined;
  #failure: unknown;

  constructor(channel: Channel, way: StreamWay) {
    this.#way = way;
    const listener: StreamListener = {
      onRegistered: () => countDown(this.#registrations),
      onAck: (deviceHandle, ackedSequence) => this.#onAck(deviceHandle, ackedSequence),
    };
    this.#stream = way.open(channel, listener, this.#cutting.signal);
    this.#stream.answers.then(
      () => this.#fail(new TelemetryError("UNAVAILABLE", "STREAM_ENDED", "the server has ended the stream")),
      (error: unknown) => this.#fail(error),
    );
  }

  /** @throws TelemetryError */
  async register(devices: readonly Device[]): Promise<void> {
    const { registration } = this.#way;
    if (registration === undefined) return;
    for (let from = 0; from < devices.length; from += registrationsMax) {
      const some = devices.slice(from, from + registrationsMax);
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      this.#registrations = { batches: some.length, resolve, reject };
      for (const device of some) this.#write(registration(device));
      if (this.#failure !== undefined) throw this.#failure;
      await promise;
    }
    this.#registrations = undefined;
  }

  /** @throws TelemetryError */
  carry(batches: readonly Outgoing[]): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const message = { batches: batches.length, resolve, reject };
    for (const { device, sequence } of batches) this.#awaited.set(device.handle, { sequence, message });
    this.#write(this.#way.message(batches));
    return promise;
  }

  async close(): Promise<void> {
    if (this.#awaited.size === 0 && this.#registrations === undefined) this.#stream.end();
    else this.#cutting.abort();
    await this.#stream.answers.catch(() => {});
  }

  #onAck(deviceHandle: number, ackedSequence: number): void {
    const awaited = this.#awaited.get(deviceHandle);
    if (awaited === undefined || ackedSequence < awaited.sequence) return;
    this.#awaited.delete(deviceHandle);
    countDown(awaited.message);
  }

  /** One after the other: each message that waits for room would have listeners on the call. */
  #write(message: Uint8Array): void {
    this.#unwritten.push(message);
    if (!this.#isWriting) void this.#writeAll();
  }

  async #writeAll(): Promise<void> {
    this.#isWriting = true;
    try {
      for (let message = this.#unwritten.shift(); message !== undefined; message = this.#unwritten.shift()) {
        await this.#stream.write(message);
      }
    } catch {
      // The call is over: the end of its answers says why, and fails all that is in flight.
    } finally {
      this.#isWriting = false;
    }
  }

  #fail(error: unknown): void {
    this.#failure = error;
    this.#registrations?.reject(error);
    for (const { message } of this.#awaited.values()) message.reject(error);
    this.#awaited.clear();
  }
}

function countDown(waiting: Waiting | undefined): void {
  if (waiting === undefined) return;
  waiting.batches -= 1;
  if (waiting.batches === 0) waiting.resolve();
}
