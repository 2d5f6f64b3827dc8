/** What the benchmark's runner tells the server's process, and hears of it, over the channel of `fork`. */

export interface BenchServerOptions {
  readonly dataDir: string;
  readonly durability: "fsync" | "process";
  readonly tls: boolean;
  /** Answers at once and keeps nothing: what a generator reaches against it is the generator's own limit. */
  readonly isNull: boolean;
  /** A fault on purpose (`lib/base/faults.ts`). */
  readonly fault?: string | undefined;
}

/** Sent once, when requests are taken. */
export interface BenchServerReady {
  readonly kind: "ready";
  /** `HOST:PORT` of each. */
  readonly grpc: string;
  readonly http1: string;
  readonly http2: string;
  /** PEM of the certificate authority, with TLS. */
  readonly ca?: string | undefined;
  readonly pragmas: Readonly<Record<string, string>>;
  readonly limits: string;
}

export type BenchServerCall = { readonly id: number; readonly name: "usage" | "resetPeak" | "stop" };

export interface BenchServerReply {
  readonly kind: "reply";
  readonly id: number;
  /** For `usage`. */
  readonly usage?: ServerUsage;
}

/** Since the start of the process, where it is not said otherwise. */
export interface ServerUsage {
  /** When it was looked at, by the clock of the server's process. */
  readonly elapsedMs: number;
  /** Of all threads. */
  readonly cpuSeconds: number;
  readonly rssBytes: number;
  /** The most since `resetPeak`. */
  readonly rssPeakBytes: number;
  /** Of all TCP connections that there were. */
  readonly bytesReceived: number;
  readonly bytesSent: number;
  /** Request bytes that are not settled yet, of all calls. */
  readonly bytesInFlight: number;
}
