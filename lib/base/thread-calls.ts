import { fromFields, TelemetryError, type TelemetryErrorFields, toFields } from "./errors.ts";

interface Pending {
  resolve(result: unknown): void;
  reject(error: unknown): void;
}

/** The answer to a call, or what was thrown. */
export type ThreadReply =
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly failure: TelemetryErrorFields }
  | { readonly id: number; readonly error: unknown };

/** The reply to a call that has thrown. An error of ours would arrive as any other, without its fields. */
export function failedReply(id: number, error: unknown): ThreadReply {
  return error instanceof TelemetryError ? { id, failure: toFields(error) } : { id, error };
}

/** Functions by name. */
type Functions<Calls> = Record<keyof Calls, (...args: never[]) => unknown>;

/** A call on its way. */
export type ThreadCall<Calls extends Functions<Calls>> = {
  [K in keyof Calls]: { readonly id: number; readonly name: K; readonly args: Parameters<Calls[K]> };
}[keyof Calls];

/** Calls of functions on another thread, by messages. */
export class ThreadCalls<Calls extends Functions<Calls>> {
  readonly #post: (call: ThreadCall<Calls>) => void;
  readonly #pending = new Map<number, Pending>();
  #nextId = 1;
  #failure: { readonly error: unknown } | undefined;

  constructor(post: (call: ThreadCall<Calls>) => void) {
    this.#post = post;
  }

  call<K extends keyof Calls>(name: K, ...args: Parameters<Calls[K]>): Promise<ReturnType<Calls[K]>> {
    // A thread that has ended would never answer.
    if (this.#failure !== undefined) return Promise.reject(this.#failure.error);
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve: resolve as Pending["resolve"], reject });
      this.#post({ id, name, args } as ThreadCall<Calls>);
    });
  }

  onReply(reply: ThreadReply): void {
    const pending = this.#pending.get(reply.id);
    this.#pending.delete(reply.id);
    if ("error" in reply) pending?.reject(reply.error);
    else if ("failure" in reply) pending?.reject(fromFields(reply.failure));
    else pending?.resolve(reply.result);
  }

  /** The thread has ended: nothing more is answered. */
  failAll(error: unknown): void {
    this.#failure ??= { error };
    for (const pending of this.#pending.values()) pending.reject(error);
    this.#pending.clear();
  }
}
