import { gzipSync } from "node:zlib";
import { TelemetryError } from "../../../lib/base/errors.ts";
import type { Cell } from "../../cell.ts";
import { mediaTypeOf } from "../../http-batches.ts";

/** What the doors of the benchmark's server take over plain HTTP. */

export { batchesPath } from "../../http-batches.ts";

export function requestHeaders({ encoding, gzip }: Pick<Cell, "encoding" | "gzip">): Record<string, string> {
  return {
    "content-type": mediaTypeOf(encoding),
    ...(gzip && { "content-encoding": "gzip" }),
  };
}

/** The bytes that are sent: compressed anew for each request, since no two are equal. */
export function requestBody(bytes: Buffer, { gzip }: Pick<Cell, "gzip">): Buffer {
  return gzip ? gzipSync(bytes) : bytes;
}

/** What an answer with another status than 200 says. */
export function httpFailure(status: number, body: string): TelemetryError {
  const { reason, message } = errorOf(body);
  const name = status >= 500 ? "UNAVAILABLE" : "INVALID_ARGUMENT";
  return new TelemetryError(name, reason, `the server has answered ${status}: ${message}`);
}

function errorOf(body: string): { reason: string; message: string } {
  try {
    const { error } = JSON.parse(body) as { error: { reason: string; message: string } };
    return { reason: error.reason, message: error.message };
  } catch {
    return { reason: "HTTP_STATUS", message: body.slice(0, 200) };
  }
}
