import { status } from "@grpc/grpc-js";
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";

/** A call that is over. */
export interface CallOver {
  /** `/telemetry.v1.QueryService/GetDevice`. */
  readonly path: string;
  /** Canonical name, such as `OK`. */
  readonly status: string;
  readonly durationMs: number;
  /** `ADDRESS:PORT` of its client. */
  readonly peer: string;
  /** What it was made by; gRPC unless told otherwise. */
  readonly system?: "grpc" | "connect_rpc" | "http";
}

export type OnCallOver = (call: CallOver) => void;

/** Of a call whose client has gone before its end. */
export const cancelled = "CANCELLED";

export function statusName(code: number | null | undefined): string {
  return status[code ?? status.UNKNOWN] ?? "UNKNOWN";
}

const refusedEveryMs = 10_000;
const isRefusal = new Set(["UNAUTHENTICATED", "PERMISSION_DENIED"]);

/**
 * Each call at the level `debug`. That calls are refused is worth a warning, but not one for each: whoever guesses tokens
 * would fill the disk.
 */
export function logCalls(log: Log, clock: Clock): OnCallOver {
  const refusedAt = new Map<string, { ms: number; more: number }>();
  return ({ path, status: name, durationMs, peer, system = "grpc" }) => {
    const fields = {
      "rpc.system.name": system,
      "rpc.method": path.slice(1),
      "rpc.response.status_code": name,
      "client.address": peer,
      durationMs: Math.round(durationMs * 1_000) / 1_000,
    };
    log.debug("call", fields);
    if (!isRefusal.has(name)) return;
    const nowMs = clock.elapsedMs();
    const last = refusedAt.get(name);
    if (last !== undefined && nowMs - last.ms < refusedEveryMs) {
      last.more += 1;
      return;
    }
    const more = last === undefined || last.more === 0 ? "" : `; ${last.more} others were since the last warning`;
    log.warn(`a call of ${path.slice(1)} by ${peer} was refused: ${name}${more}`, fields);
    refusedAt.set(name, { ms: nowMs, more: 0 });
  };
}
