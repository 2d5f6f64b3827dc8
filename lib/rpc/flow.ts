import type { Readable, Writable } from "node:stream";
import { callOver } from "../base/errors.ts";
import { checkRead } from "./binding.ts";

/**
 * The flow adapter: calls of grpc-js are Node streams in object mode, our code reads and writes async
 * iterables. Reading pulls: a message is taken only when asked for, so that a slow reader closes the
 * HTTP/2 window. Writing waits when `write()` returns false.
 */

/**
 * The messages of a call until its sender has closed its side.
 * @throws TelemetryError CANCELLED when the call ends before that
 */
export async function* incoming<T>(call: Readable, signal: AbortSignal): AsyncGenerator<T, void> {
  try {
    // Without the option, leaving the loop destroys the call, and its status is never sent.
    for await (const message of call.iterator({ destroyOnReturn: false })) yield checkRead(message) as T;
  } catch (error) {
    if (signal.aborted) throw callOver(error);
    throw error;
  }
  if (signal.aborted) throw callOver();
}

/**
 * Writes one message. Resolves when there is room for the next.
 * @throws TelemetryError CANCELLED when the call is over: writing to it would succeed silently
 */
export async function outgoing(call: Writable, message: unknown, signal: AbortSignal): Promise<void> {
  if (signal.aborted || call.destroyed || call.writableEnded) throw callOver();
  if (call.write(message)) return;
  await settledOrOver(call, signal, (settle) => call.once("drain", settle));
}

/**
 * Writes one message. Resolves when it has left for the network, so that a peer that does not read costs one message,
 * not the 16 that a stream of grpc-js buffers: a server may have very many such peers.
 * @throws TelemetryError CANCELLED when the call is over
 */
export async function flushed(call: Writable, message: unknown, signal: AbortSignal): Promise<void> {
  if (signal.aborted || call.destroyed || call.writableEnded) throw callOver();
  await settledOrOver(call, signal, (settle) => call.write(message, settle));
}

/**
 * What `begin` waits for may never come on a call that has ended.
 * @throws TelemetryError CANCELLED when the call is over
 */
async function settledOrOver(call: Writable, signal: AbortSignal, begin: (settle: () => void) => void): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const settle = () => resolve();
  call.once("close", settle);
  signal.addEventListener("abort", settle);
  begin(settle);
  await promise;
  call.off("drain", settle);
  call.off("close", settle);
  signal.removeEventListener("abort", settle);
  if (signal.aborted || call.destroyed) throw callOver();
}
