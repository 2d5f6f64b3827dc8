import { TelemetryError } from "../base/errors.ts";
import { httpBodiesBytesMax, httpBodiesRetryMs, messageBytesMax } from "../base/limits.ts";
import { formatSize } from "../base/size.ts";
import type { Exchange } from "./exchange.ts";

/** The bodies of requests that are being read: what one may have, and all together. */
export class Bodies {
  readonly #bytesMax: number;
  #bytes = 0;

  constructor(bytesMax = httpBodiesBytesMax) {
    this.#bytesMax = bytesMax;
  }

  /**
   * Before a body is read: its room is taken until it has come.
   * @throws TelemetryError BODY_TOO_LARGE, or HTTP_BODIES when there is no room
   */
  admit({ request, response }: Exchange): void {
    const length = request.headers["content-length"];
    const isChunked = request.headers["transfer-encoding"] !== undefined;
    const bytes = isChunked ? messageBytesMax : Number(length ?? 0);
    if (bytes > messageBytesMax) throw tooLarge(bytes);
    if (bytes === 0) return;
    if (this.#bytes + bytes > this.#bytesMax) {
      throw new TelemetryError(
        "RESOURCE_EXHAUSTED",
        "HTTP_BODIES",
        `requests of ${formatSize(this.#bytes)} are coming in, the limit is ${formatSize(this.#bytesMax)}; come again in a second, or send streams over gRPC`,
        { quota: "server:http-bodies", retryAfterMs: httpBodiesRetryMs },
      );
    }
    this.#bytes += bytes;
    let isHeld = true;
    const release = () => {
      if (isHeld) this.#bytes -= bytes;
      isHeld = false;
    };
    request.once("end", release);
    request.once("close", release);
    response.once("close", release);
  }

  /**
   * Reads a body that was admitted.
   * @throws TelemetryError BODY_TOO_LARGE; CANCELLED when it does not come whole
   */
  async read({ request }: Exchange): Promise<Buffer> {
    const pieces: Buffer[] = [];
    let bytes = 0;
    try {
      // Without the option, leaving the loop destroys the connection, and the error is never told.
      for await (const piece of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
        bytes += piece.length;
        if (bytes > messageBytesMax) throw tooLarge(bytes);
        pieces.push(piece);
      }
    } catch (error) {
      if (error instanceof TelemetryError) throw error;
      throw new TelemetryError("CANCELLED", "CALL_OVER", "the call is over", { cause: error });
    }
    return Buffer.concat(pieces);
  }
}

function tooLarge(bytes: number): TelemetryError {
  return new TelemetryError(
    "INVALID_ARGUMENT",
    "BODY_TOO_LARGE",
    `the body has ${formatSize(bytes)} or more, the limit is ${formatSize(messageBytesMax)}; split it`,
  );
}
