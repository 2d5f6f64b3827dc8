import type { IncomingMessage } from "node:http";

/** A timer of Node takes no more, and would end at once. */
const timerMsMax = 2 ** 31 - 1;
const unitsMs: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1_000, m: 1, u: 1e-3, n: 1e-6 };

/** The headers of a request, without a deadline that lies further away than timers go. */
export function requestHeaders({ headers }: IncomingMessage): Headers {
  const read = new Headers();
  for (const [name, value] of Object.entries(headers)) {
    for (const each of Array.isArray(value) ? value : [value ?? ""]) read.append(name, each);
  }
  if (Number(read.get("connect-timeout-ms")) > timerMsMax) read.delete("connect-timeout-ms");
  const [, count, unit = ""] = /^(\d+)([HMSmun])$/.exec(read.get("grpc-timeout") ?? "") ?? [];
  if (Number(count) * (unitsMs[unit] ?? 0) > timerMsMax) read.delete("grpc-timeout");
  return read;
}
