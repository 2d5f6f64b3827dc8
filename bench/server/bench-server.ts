import { systemClock } from "../../lib/base/clock.ts";
import type { KeyPair } from "../../lib/rpc/tls.ts";
import type { Backend } from "./backend.ts";
import { type HttpListener, listenHttp1, listenHttp2 } from "./http-listeners.ts";
import type { BenchServerOptions, BenchServerReady, ServerUsage } from "./messages.ts";
import { startNull } from "./null-server.ts";
import { startProduct } from "./product-server.ts";
import { SocketBytes } from "./socket-bytes.ts";
import { cpuSeconds, resetRssPeak, rssBytes, rssPeakBytes } from "./usage.ts";

/** Connections of plain HTTP whose requests are answered end in this time; then they are cut. */
const closeGraceMs = 1_000;

/** All ways of the benchmark into one pipeline, or into none. */
export class BenchServer {
  readonly ready: BenchServerReady;
  /** Rejects when nothing more will be acked. */
  readonly failed: Promise<never>;
  readonly #backend: Backend;
  readonly #listeners: readonly HttpListener[];
  readonly #socketBytes: SocketBytes;
  #stopped: Promise<void> | undefined;

  /** @throws TelemetryError when the store cannot be had */
  static async start(options: BenchServerOptions): Promise<BenchServer> {
    const socketBytes = new SocketBytes();
    // Only then: what makes them is large, and memory is measured.
    const certificates = options.tls ? await makeCertificates() : undefined;
    const tls = certificates?.server;
    const backend = await (options.isNull ? startNull(tls) : startProduct(options, tls));
    const http1 = await listenHttp1(backend.take, tls);
    const http2 = await listenHttp2(backend.take, tls);
    const { address: grpc, pragmas, limits } = backend;
    const ready: BenchServerReady = {
      kind: "ready",
      grpc,
      http1: http1.address,
      http2: http2.address,
      ca: certificates?.ca,
      pragmas,
      limits,
    };
    return new BenchServer(ready, backend, [http1, http2], socketBytes);
  }

  private constructor(
    ready: BenchServerReady,
    backend: Backend,
    listeners: readonly HttpListener[],
    socketBytes: SocketBytes,
  ) {
    this.ready = ready;
    this.failed = backend.failed;
    this.#backend = backend;
    this.#listeners = listeners;
    this.#socketBytes = socketBytes;
  }

  usage(): ServerUsage {
    return {
      cpuSeconds: cpuSeconds(),
      rssBytes: rssBytes(),
      rssPeakBytes: rssPeakBytes(),
      bytesReceived: this.#socketBytes.received,
      bytesSent: this.#socketBytes.sent,
      elapsedMs: systemClock.elapsedMs(),
      bytesInFlight: this.#backend.bytesInFlight,
    };
  }

  resetPeak(): void {
    resetRssPeak();
  }

  /** Settles and answers what was taken; what comes meanwhile is refused. May be called again. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<void> {
    await this.#backend.stop();
    await Promise.all(this.#listeners.map((listener) => listener.close(closeGraceMs)));
    this.#socketBytes.stop();
  }
}

/** An authority whose key is forgotten, and a pair for this machine's own address, for a day. */
async function makeCertificates(): Promise<{ readonly ca: string; readonly server: KeyPair }> {
  const { makeAuthority, makeServerPair } = await import("../../lib/rpc/certificates.ts");
  const authority = await makeAuthority("Tidemark benchmark", 1);
  return { ca: authority.cert, server: await makeServerPair(authority, ["localhost", "127.0.0.1"], 1) };
}
