import type { Principal } from "../access/principal.ts";
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import type { OnCallOver } from "./call-over.ts";
import type { Connections } from "./connections.ts";
import type { Gate } from "./gate.ts";

/** Who takes what comes on a call. */
export interface DirectReceiver {
  /**
   * @param message shares its memory with what came with it: to keep it for long keeps all of that
   * @returns false: no more until `resume`
   */
  onMessage(message: Uint8Array): boolean;
  /** The client has closed its side, and all its messages were handed on. */
  onEnd(): void;
  /** The connection is to be given up: the receiver ends the call when it can. Without it, the call is cut after a while. */
  onDrain?(): void;
  /** The call is over: ended, cancelled, or its connection is gone. */
  onOver(): void;
}

/** A bidirectional call, by callbacks. */
export interface DirectCall {
  /** Messages may come again. */
  resume(): void;
  /**
   * Sends messages together. To be called again when `onSent` was: a client that does not read then costs what one call
   * sends.
   * @param onSent they have left for the network; never called when the call is over before
   */
  send(messages: readonly Uint8Array[], onSent: () => void): void;
  /** Ends the call, behind what was sent: with OK, or with the status that an error comes to (`status.ts`). */
  end(error?: unknown): void;
}

/** @throws TelemetryError when it does not take the call */
export type DirectHandler = (call: DirectCall, principal: Principal) => DirectReceiver;

/** What calls of every method need. */
export interface CallEnvironment {
  readonly gate: Gate;
  readonly connections: Connections;
  readonly onCallOver: OnCallOver;
  readonly clock: Clock;
  readonly log: Log;
}

/** Stands where a handler does: the method's calls go past grpc-js, but for those that only it can read. */
export class Direct {
  readonly handler: DirectHandler;

  constructor(handler: DirectHandler) {
    this.handler = handler;
  }
}
