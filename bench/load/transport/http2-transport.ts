import { type ClientHttp2Session, connect } from "node:http2";
import { TelemetryError } from "../../../lib/base/errors.ts";
import type { Outgoing } from "../message-source.ts";
import { batchesPath, httpFailure, requestBody, requestHeaders } from "./http-request.ts";
import { connectTimeoutMs, type Transport, type TransportOptions } from "./transport.ts";

/** HTTP/2 requests of all slots, over a few connections. */
export class Http2Transport implements Transport {
  readonly #options: TransportOptions;
  readonly #sessions: ClientHttp2Session[] = [];

  constructor(options: TransportOptions) {
    this.#options = options;
  }

  async open(): Promise<void> {
    const { cell, addresses } = this.#options;
    const authority = `${cell.tls ? "https" : "http"}://${addresses.http2}`;
    const options = addresses.ca === undefined ? {} : { ca: addresses.ca };
    for (let i = 0; i < cell.connections; i += 1) this.#sessions.push(connect(authority, options));
    await Promise.all(this.#sessions.map(connected));
  }

  carry(slot: number, [batch]: readonly Outgoing[]): Promise<void> {
    const { cell } = this.#options;
    const body = requestBody(batch.bytes, cell);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const session = this.#sessions[slot % this.#sessions.length];
    const request = session.request({
      ":method": "POST",
      ":path": batchesPath,
      "content-length": body.length,
      ...requestHeaders(cell),
    });
    let status = 0;
    const chunks: Buffer[] = [];
    request.on("response", (headers) => {
      status = headers[":status"] ?? 0;
    });
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("error", (error) => reject(unreachable(error)));
    request.on("end", () => {
      if (status === 200) resolve();
      else reject(httpFailure(status, Buffer.concat(chunks).toString()));
    });
    // A stream that the server resets without an error ends in no other way.
    request.on("close", () => reject(unreachable(new Error("the stream was closed before it was answered"))));
    request.end(body);
    return promise;
  }

  async close(): Promise<void> {
    for (const session of this.#sessions) session.destroy();
  }
}

async function connected(session: ClientHttp2Session): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const timer = setTimeout(
    () => reject(unreachable(new Error(`no connection within ${connectTimeoutMs} ms`))),
    connectTimeoutMs,
  );
  session.once("connect", () => resolve());
  // Also later: what is in flight fails by itself, and without a listener the process would.
  session.on("error", (error) => reject(unreachable(error)));
  try {
    await promise;
  } finally {
    clearTimeout(timer);
  }
}

function unreachable(error: Error): TelemetryError {
  return new TelemetryError("UNAVAILABLE", "HTTP_ERROR", error.message, { cause: error });
}
