import type { Http2Server, ServerHttp2Session } from "node:http2";
import type { Clock } from "../base/clock.ts";
import {
  connectionAgeMsMaxDefault,
  connectionDrainMsMax,
  connectionIdleMsMaxDefault,
  connectionsCheckMs,
} from "../base/limits.ts";
import type { Prng } from "../base/prng.ts";
import { neverAborted } from "../base/wait.ts";

export interface ConnectionTimes {
  /** After this long its client is asked to connect again: infinity, never. */
  readonly ageMsMax: number;
  /** Without a call for so long it is closed: infinity, never. */
  readonly idleMsMax: number;
}

interface Connection {
  readonly session: ServerHttp2Session;
  readonly draining: AbortController;
  /** When it is to be given up; when it is being given up, when it is cut. */
  endsAtMs: number;
  calls: number;
  /** When its last call has ended. */
  idleSinceMs: number;
}

/** Earlier or later by this share: connections that have begun together do not end together. */
const ageSpread = 0.1;

/**
 * The HTTP/2 connections of a server, and their ends. grpc-js has limits of that name too, and knows neither of calls that
 * go past it nor how to tell a stream to end by itself.
 */
export class Connections {
  readonly #times: ConnectionTimes;
  readonly #clock: Clock;
  readonly #chance: Prng;
  /** By the address of the client. */
  readonly #byPeer = new Map<string, Connection>();
  readonly #checks: NodeJS.Timeout;

  constructor(times: Partial<ConnectionTimes>, clock: Clock, chance: Prng) {
    this.#times = { ageMsMax: connectionAgeMsMaxDefault, idleMsMax: connectionIdleMsMaxDefault, ...times };
    this.#clock = clock;
    this.#chance = chance;
    this.#checks = setInterval(() => this.check(), connectionsCheckMs).unref();
  }

  /** Looks after the connections that come in from now on. */
  watch(http2: Http2Server): void {
    http2.on("session", (session: ServerHttp2Session) => this.#add(session));
  }

  /**
   * Aborted when a connection is to be given up: its calls end by themselves, in good order.
   * @param peer of a call: `ADDRESS:PORT`
   */
  draining(peer: string): AbortSignal {
    return this.#byPeer.get(peer)?.draining.signal ?? neverAborted;
  }

  /** Ends connections that are too old, or have not been used for too long. It does so by itself all the time. */
  check(): void {
    const nowMs = this.#clock.elapsedMs();
    for (const connection of this.#byPeer.values()) {
      const { session, draining } = connection;
      // No more calls come on it; those that there are go on.
      if (connection.calls === 0 && nowMs - connection.idleSinceMs >= this.#times.idleMsMax) session.close();
      if (nowMs < connection.endsAtMs) continue;
      if (draining.signal.aborted) session.destroy();
      else {
        connection.endsAtMs = nowMs + connectionDrainMsMax;
        draining.abort();
        session.close();
      }
    }
  }

  close(): void {
    clearInterval(this.#checks);
  }

  #add(session: ServerHttp2Session): void {
    const peer = peerOf(session);
    const nowMs = this.#clock.elapsedMs();
    const connection: Connection = {
      session,
      draining: new AbortController(),
      endsAtMs: nowMs + this.#times.ageMsMax * (1 - ageSpread + 2 * ageSpread * this.#chance.uniform()),
      calls: 0,
      idleSinceMs: nowMs,
    };
    this.#byPeer.set(peer, connection);
    session.on("stream", (stream) => {
      connection.calls += 1;
      stream.once("close", () => {
        connection.calls -= 1;
        connection.idleSinceMs = this.#clock.elapsedMs();
      });
    });
    session.once("close", () => this.#byPeer.delete(peer));
  }
}

/** As grpc-js names it. */
export function peerOf({ socket }: Pick<ServerHttp2Session, "socket">): string {
  return `${socket.remoteAddress}:${socket.remotePort}`;
}
