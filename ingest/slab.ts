/** How a call brings its batches; a call of each method is answered in its own way. */
export const callMethods = ["push", "upload", "stream"] as const;
export type CallMethod = (typeof callMethods)[number];

/** What happened to a call, in the order in which it happened. */
export const callEvents = ["open push", "open upload", "open stream", "message", "half-close", "cancel"] as const;
export type CallEvent = (typeof callEvents)[number];

/**
 * What happened to all calls in one turn of the I/O thread's event loop: their messages one behind the
 * other in one buffer, so that a turn costs one transfer to the writer thread, however many calls there
 * are. Posting moves it: the sender must not use it again.
 */
export interface Slab {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Three numbers per event: call id, index in `callEvents`, length of its message in `bytes`. */
  readonly events: Int32Array<ArrayBuffer>;
}

const numbersPerEvent = 3;

/** Gathers a slab. */
export class SlabBuilder {
  readonly #events: number[] = [];
  readonly #messages: Uint8Array[] = [];
  #length = 0;

  get empty(): boolean {
    return this.#events.length === 0;
  }

  /** How many it has gathered. */
  get events(): number {
    return this.#events.length / numbersPerEvent;
  }

  /** @param message stays the caller's, and must not change until `build` */
  add(call: number, event: CallEvent, message?: Uint8Array): void {
    this.#events.push(call, callEvents.indexOf(event), message?.length ?? 0);
    if (message === undefined) return;
    this.#messages.push(message);
    this.#length += message.length;
  }

  /** The slab of all that was added; the builder is empty again. */
  build(): Slab {
    const bytes = new Uint8Array(this.#length);
    let at = 0;
    for (const message of this.#messages) {
      bytes.set(message, at);
      at += message.length;
    }
    const events = Int32Array.from(this.#events);
    this.#events.length = 0;
    this.#messages.length = 0;
    this.#length = 0;
    return { bytes, events };
  }
}

/** Calls `onEvent` for each event of a slab, with the place of its message in `slab.bytes`. */
export function readSlab(
  slab: Slab,
  onEvent: (call: number, event: CallEvent, start: number, end: number) => void,
): void {
  let start = 0;
  for (let i = 0; i < slab.events.length; i += numbersPerEvent) {
    const end = start + slab.events[i + 2];
    onEvent(slab.events[i], callEvents[slab.events[i + 1]], start, end);
    start = end;
  }
}
