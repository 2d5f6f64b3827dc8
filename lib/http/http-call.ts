import type { Message } from "@bufbuild/protobuf";
import type { Identity } from "../access/access.ts";
import { callOver, TelemetryError } from "../base/errors.ts";
import { neverAborted } from "../base/wait.ts";
import { type CallOver, cancelled } from "../rpc/call-over.ts";
import type { CallContext } from "../rpc/handlers.ts";
import { tookTooLong } from "../rpc/interceptors.ts";
import type { TableMethod } from "../rpc/method-table.ts";
import type { ServedCalls } from "../rpc/server.ts";
import type { Exchange } from "./exchange.ts";

/** A call of a method that a request makes. It is over with the answer of the request. */
export class HttpCall {
  readonly method: TableMethod;
  readonly #exchange: Exchange;
  readonly #calls: ServedCalls;
  readonly #identity: Identity;
  readonly #controller = new AbortController();
  readonly #ended = Promise.withResolvers<never>();
  /** The status that the call is told to have ended with; undefined: none yet. */
  readonly #told: { status: string | undefined };
  #failure: TelemetryError | undefined;
  #hasBegun = false;

  /**
   * Before anything of the body is read.
   * @param system as which it is told in logs and metrics
   * @throws TelemetryError when it is not let in
   */
  static async begin(
    method: TableMethod,
    exchange: Exchange,
    calls: ServedCalls,
    system: NonNullable<CallOver["system"]>,
  ): Promise<HttpCall> {
    const { clock, onCallOver, gate } = calls;
    const { path } = method;
    const { peer } = exchange;
    const startMs = clock.elapsedMs();
    const told: { status: string | undefined } = { status: undefined };
    exchange.response.once("close", () => {
      const status = told.status ?? cancelled;
      onCallOver({ path, status, durationMs: clock.elapsedMs() - startMs, peer, system });
    });
    try {
      const identity = await gate.admit(path, exchange.credentials);
      if (exchange.isOver) throw callOver();
      return new HttpCall(method, exchange, calls, identity, told);
    } catch (error) {
      told.status = statusOf(error);
      throw error;
    }
  }

  private constructor(
    method: TableMethod,
    exchange: Exchange,
    calls: ServedCalls,
    identity: Identity,
    told: { status: string | undefined },
  ) {
    this.method = method;
    this.#exchange = exchange;
    this.#calls = calls;
    this.#identity = identity;
    this.#told = told;
    this.#ended.promise.catch(() => {});
    // It goes on for as long as its caller is let in, also while its body comes.
    const leave = calls.gate.enter(identity, (error) => this.#revoke(error as TelemetryError));
    exchange.response.once("close", () => {
      leave();
      this.end(callOver());
    });
  }

  /** Whether the method was called: whatever fails before is about the request. */
  get hasBegun(): boolean {
    return this.#hasBegun;
  }

  /** Aborted when the call is over. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Ends the call with an error, unless it has ended. */
  end(error: TelemetryError): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    this.#controller.abort(error);
    this.#ended.reject(error);
  }

  /** A part of the call that is not its method: where it fails, the call is told to have ended with that. */
  async telling<T>(part: Promise<T>): Promise<T> {
    try {
      return await part;
    } catch (error) {
      throw this.#tell(error);
    }
  }

  /** @throws whatever the handler throws, and TelemetryError when it takes too long */
  async unary(request: Message): Promise<Message> {
    const { call } = this.method;
    if (call.kind !== "unary") throw new Error(`${this.method.path} is not unary`);
    this.#hasBegun = true;
    // Its caller is not let in any more, or has gone, since its body came.
    if (this.#failure !== undefined) throw this.#tell(this.#failure);
    const { unaryMsMax } = this.#calls;
    const timer = setTimeout(() => this.end(tookTooLong(unaryMsMax)), unaryMsMax);
    try {
      const answer = await Promise.race([call.answer(request, this.#context), this.#ended.promise]);
      this.#told.status = "OK";
      return answer;
    } catch (error) {
      throw this.#tell(error);
    } finally {
      clearTimeout(timer);
    }
  }

  /** @throws as `unary` */
  async *stream(request: Message): AsyncGenerator<Message, void> {
    const { call } = this.method;
    if (call.kind !== "server_streaming") throw new Error(`${this.method.path} is not server streaming`);
    this.#hasBegun = true;
    try {
      for await (const message of call.answers(request, this.#context)) {
        if (this.#failure !== undefined) break;
        yield message;
      }
      // A handler whose signal is aborted may end as if nothing were.
      if (this.#failure !== undefined) throw this.#failure;
      this.#told.status = "OK";
    } catch (error) {
      throw this.#tell(error);
    }
  }

  /** Who does not read is not told: it would keep its connection. */
  #revoke(error: TelemetryError): void {
    this.end(error);
    if (this.#exchange.response.writableNeedDrain) this.#cut();
  }

  #cut(): void {
    this.#exchange.request.socket.destroy();
  }

  get #context(): CallContext {
    return {
      signal: this.signal,
      principal: this.#identity.principal,
      // Connections of HTTP are not given up by age.
      draining: neverAborted,
      cut: () => this.#cut(),
    };
  }

  /** What ended the call is told, and not what came of it in the handler. */
  #tell(error: unknown): unknown {
    const cause = this.#failure ?? error;
    this.#told.status = statusOf(cause);
    return cause;
  }
}

function statusOf(error: unknown): string {
  return error instanceof TelemetryError ? error.status : "INTERNAL";
}
