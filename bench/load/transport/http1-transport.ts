import * as http from "node:http";
import * as https from "node:https";
import { TelemetryError } from "../../../lib/base/errors.ts";
import type { Outgoing } from "../message-source.ts";
import { batchesPath, httpFailure, requestBody, requestHeaders } from "./http-request.ts";
import type { Transport, TransportOptions } from "./transport.ts";

/** HTTP/1.1 with keep-alive, one connection per slot. Closed loops are driven by autocannon (`autocannon-loop.ts`). */
export class Http1Transport implements Transport {
  readonly #cell: TransportOptions["cell"];
  readonly #request: typeof http.request;
  readonly #agent: http.Agent;
  readonly #options: http.RequestOptions;

  constructor({ cell, addresses }: TransportOptions) {
    this.#cell = cell;
    const library = cell.tls ? https : http;
    const { hostname, port } = new URL(`http://${addresses.http1}`);
    this.#request = library.request;
    this.#agent = new library.Agent({
      keepAlive: true,
      maxSockets: cell.slots,
      // In turn, so that the server finds none of them idle.
      scheduling: "fifo",
      ...(addresses.ca !== undefined && { ca: addresses.ca }),
    });
    this.#options = { agent: this.#agent, host: hostname, port, path: batchesPath, method: "POST" };
  }

  async open(): Promise<void> {}

  carry(_slot: number, [batch]: readonly Outgoing[]): Promise<void> {
    const body = requestBody(batch.bytes, this.#cell);
    const headers = { ...requestHeaders(this.#cell), "content-length": body.length };
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const fail = (error: Error) => reject(new TelemetryError("UNAVAILABLE", "HTTP_ERROR", error.message));
    const request = this.#request({ ...this.#options, headers }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("error", fail);
      response.on("end", () => {
        if (response.statusCode === 200) resolve();
        else reject(httpFailure(response.statusCode ?? 0, Buffer.concat(chunks).toString()));
      });
    });
    request.on("error", fail);
    request.end(body);
    return promise;
  }

  async close(): Promise<void> {
    this.#agent.destroy();
  }
}
