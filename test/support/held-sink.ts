import { Inlet, type InletOptions, type SlabSink } from "../../ingest/inlet.ts";
import type { InletCall } from "../../ingest/inlet-call.ts";
import { readSlab, type Slab } from "../../ingest/slab.ts";
import { anyone } from "../../lib/access/principal.ts";
import { ingestBytesInFlightMax } from "../../lib/base/limits.ts";

export const mib = 1024 * 1024;

/** Keeps the slabs, and settles them when told: no thread, no store. */
export class HeldSink implements SlabSink {
  readonly slabs: Slab[] = [];
  readonly inlet: Inlet;

  constructor(options?: InletOptions) {
    this.inlet = new Inlet(this, options);
  }

  submit(slab: Slab): void {
    this.slabs.push(slab);
  }

  /** The events of all slabs so far: `call event`. */
  get events(): string[] {
    const events: string[] = [];
    for (const slab of this.slabs) readSlab(slab, (call, event) => events.push(`${call} ${event}`));
    return events;
  }

  /** Settles the first slab: each call gets the bytes of its messages back. */
  settleFirst(answers: readonly Uint8Array[] = [], fairBytes?: number): void {
    const slab = this.slabs.shift();
    if (slab === undefined) throw new Error("there is no slab to settle");
    const bytes = new Map<number, number>();
    readSlab(slab, (call, _event, start, end) => bytes.set(call, (bytes.get(call) ?? 0) + end - start));
    this.inlet.onSettled(
      [...bytes].map(([call, bytes]) => ({ call, bytes, answers, end: undefined })),
      slab.bytes.length,
      fairBytes,
    );
  }
}

/** After this, everything that could go on has, and slabs are submitted. */
export async function turn(): Promise<void> {
  await new Promise(setImmediate);
  await new Promise(setImmediate);
}

/** A promise, and whether it is settled. */
export function watch(promise: Promise<boolean>): { done: boolean; result: boolean | undefined } {
  const watched: { done: boolean; result: boolean | undefined } = { done: false, result: undefined };
  void promise.then((result) => Object.assign(watched, { done: true, result }));
  return watched;
}

/** Calls that fill the budget of all calls, each with one message. */
export async function fill(inlet: Inlet): Promise<InletCall[]> {
  const calls: InletCall[] = [];
  while (inlet.bytesInFlight < ingestBytesInFlightMax) {
    const call = inlet.open("stream", anyone);
    calls.push(call);
    void call.send(new Uint8Array(4 * mib));
    await turn();
  }
  return calls;
}
