import type { DescService } from "@bufbuild/protobuf";
import { onTestFinished } from "vitest";
import type { TelemetryError } from "../../lib/base/errors.ts";
import { type Log, silentLog } from "../../lib/base/log.ts";
import type { Encoding } from "../../lib/rpc/binding.ts";
import { Channel, type Client } from "../../lib/rpc/client.ts";
import { everyMethod } from "../../lib/rpc/gate.ts";
import type { Handlers } from "../../lib/rpc/handlers.ts";
import { RpcServer } from "../../lib/rpc/server.ts";

/** A service with handlers of a test, on a socket of its own, until the test is over. */
export interface ServedService<S extends DescService, E extends Encoding> {
  readonly client: Client<S, E>;
  readonly channel: Channel;
  readonly rpc: RpcServer;
  readonly address: string;
  /** What the server has logged. */
  readonly warnings: readonly string[];
}

/** @param handlers those that the test calls */
export async function serve<S extends DescService, E extends Encoding>(
  service: S,
  encoding: E,
  handlers: Partial<Handlers<S, E>>,
): Promise<ServedService<S, E>> {
  const warnings: string[] = [];
  const log: Log = { ...silentLog, warn: (message) => void warnings.push(message) };
  const rpc = new RpcServer(log);
  rpc.add(service, encoding, handlers as Handlers<S, E>, everyMethod(service, "query"));
  const { address } = await rpc.listen("127.0.0.1:0");
  // Tests see each answer of the server.
  const channel = new Channel(address, { retries: false });
  onTestFinished(async () => {
    channel.close();
    await rpc.close(0);
  });
  return { client: channel.client(service, encoding), channel, rpc, address, warnings };
}

/** The failure of a call. It may be asked for long before it is awaited. */
export function failureOf(run: Promise<unknown> | AsyncIterable<unknown>): Promise<TelemetryError> {
  const ended = Symbol.asyncIterator in run ? collect(run) : run;
  const failure = ended.then(
    () => Promise.reject(new Error("the call has not failed")),
    (error: unknown) => error as TelemetryError,
  );
  failure.catch(() => {});
  return failure;
}

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

/** Resolves when the signal is aborted. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

/**
 * Waits until a count has come to rest: it stays as it is through many turns of the event loop, which
 * server and client share.
 * @param turn some other work, such as a round trip
 */
export async function atRest(count: () => number, turn: () => Promise<unknown>): Promise<number> {
  for (;;) {
    const before = count();
    for (let i = 0; i < 30; i += 1) await turn();
    if (count() === before) return before;
  }
}
