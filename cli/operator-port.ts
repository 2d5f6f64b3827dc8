import { X509Certificate } from "node:crypto";
import { type Access, openAccess } from "../lib/access/access.ts";
import { type HttpPortOptions, listenHttp } from "../lib/http/http-listener.ts";
import { checkOwnHost } from "../lib/http/own-host.ts";
import { type HttpRoute, readPaths } from "../lib/http/read-paths.ts";
import type { OnCallOver } from "../lib/rpc/call-over.ts";
import type { Listener } from "../lib/rpc/listener.ts";
import type { ServedCalls } from "../lib/rpc/server.ts";
import type { ServerTls } from "../lib/rpc/tls.ts";
import { httpParts } from "./http-parts.ts";
import { type MetricSources, Metrics } from "./metrics.ts";
import { isLoopback } from "./options.ts";

/** What the port tells of, but for what it knows itself. */
export type OperatorSources = Omit<MetricSources, "listeners" | "certificateEndMs"> & { readonly grpc: Listener };

export interface OperatorPortOptions extends HttpPortOptions {
  readonly access: Access;
  /** What is served beside gRPC. */
  readonly calls: ServedCalls;
}

/** Requests that have not ended by themselves after so long are cut. */
const graceMs = 1_000;

/**
 * The HTTP port: the services as JSON and for browsers, and what those who run a server look at: whether it lives, whether
 * it can be sent to, and its figures.
 */
export class OperatorPort {
  readonly #metrics = new Metrics();
  #listener: Listener | undefined;
  #certificateEndMs: number | undefined;

  /** To be told of each call of the server. */
  get onCallOver(): OnCallOver {
    return this.#metrics.onCallOver;
  }

  /** With its real port; undefined: it does not listen yet. */
  get address(): string | undefined {
    return this.#listener?.address;
  }

  /** @throws TelemetryError when the address cannot be had */
  async listen(address: string, { grpc, ...sources }: OperatorSources, options: OperatorPortOptions): Promise<void> {
    if (options.tls !== undefined) this.#certificateEndMs = endOf(options.tls);
    const known = () => ({
      ...sources,
      listeners: this.#listener === undefined ? [grpc] : [grpc, this.#listener],
      certificateEndMs: this.#certificateEndMs,
    });
    const parts = [readPaths(this.#routes(known), options.access), ...httpParts(options.calls, options.log)];
    // Where anybody may do everything, pages of other origins are kept out by what they take this server for.
    const isOpen = options.access === openAccess && isLoopback(address);
    this.#listener = await listenHttp(address, parts, { ...options, ...(isOpen && { checkHost: checkOwnHost }) });
  }

  /** For new connections. Throws Error when it cannot be used. */
  setTls(tls: ServerTls): void {
    this.#listener?.setTls(tls);
    this.#certificateEndMs = endOf(tls);
  }

  async close(): Promise<void> {
    await this.#listener?.close(graceMs);
    this.#metrics.close();
  }

  #routes(known: () => MetricSources): ReadonlyMap<string, HttpRoute> {
    const plain = (status: number, body: string) => ({ status, contentType: "text/plain; charset=utf-8", body });
    return new Map<string, HttpRoute>([
      ["/livez", { scope: "open", answer: async () => plain(200, "live\n") }],
      [
        "/readyz",
        { scope: "open", answer: async () => (known().isReady() ? plain(200, "ready\n") : plain(503, "not ready\n")) },
      ],
      [
        "/metrics",
        {
          scope: "query",
          answer: async () => ({
            status: 200,
            contentType: this.#metrics.contentType,
            body: await this.#metrics.read(known()),
          }),
        },
      ],
    ]);
  }
}

function endOf({ cert }: ServerTls): number {
  return new X509Certificate(cert).validToDate.getTime();
}
