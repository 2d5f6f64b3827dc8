import type { TakeBody } from "./http-answer.ts";

/** What is behind the listeners of a benchmark server: the product, or nothing. */
export interface Backend {
  /** `HOST:PORT` of gRPC. */
  readonly address: string;
  readonly pragmas: Readonly<Record<string, string>>;
  readonly limits: string;
  /** Request bytes that are not settled yet, of all calls. */
  readonly bytesInFlight: number;
  /** Rejects when nothing more will be acked. */
  readonly failed: Promise<never>;
  /** What comes by HTTP. */
  readonly take: TakeBody;
  /** Settles and answers what was taken, and takes no more. */
  stop(): Promise<void>;
}
