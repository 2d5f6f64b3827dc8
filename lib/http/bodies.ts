import { callOver, TelemetryError } from "../base/errors.ts";
import { httpBodiesBytesMax, httpBodiesRetryMs, messageBytesMax } from "../base/limits.ts";
import { formatSize } from "../base/size.ts";
import type { Exchange } from "./exchange.ts";

/** The bodies of requests that are not answered: what one may have, and all together. */
export class Bodies {
  readonly #bytesMax: number;
  #bytes = 0;

  constructor(bytesMax = httpBodiesBytesMax) {
    this.#bytesMax = bytesMax;
  }

  /**
   * Reads a body. What has come takes room until its request is answered; what is only announced takes none.
   * @throws TelemetryError BODY_TOO_LARGE; HTTP_BODIES when there is no room; CANCELLED when it does not come whole
   */
  async read({ request, response }: Exchange, bytesMax = messageBytesMax): Promise<Buffer> {
    const told = Number(request.headers["content-length"] ?? 0);
    if (told > bytesMax) throw tooLarge(told, bytesMax);
    const pieces: Buffer[] = [];
    let bytes = 0;
    response.once("close", () => {
      this.#bytes -= bytes;
      bytes = 0;
    });
    try {
      // Without the option, leaving the loop destroys the connection, and the error is never told.
      for await (const piece of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
        if (bytes + piece.length > bytesMax) throw tooLarge(bytes + piece.length, bytesMax);
        if (this.#bytes + piece.length > this.#bytesMax) throw this.#full();
        // It is over: nobody gives the room back any more.
        if (response.closed) throw callOver();
        bytes += piece.length;
        this.#bytes += piece.length;
        pieces.push(piece);
      }
    } catch (error) {
      if (error instanceof TelemetryError) throw error;
      throw callOver(error);
    }
    return Buffer.concat(pieces);
  }

  #full(): TelemetryError {
    return new TelemetryError(
      "RESOURCE_EXHAUSTED",
      "HTTP_BODIES",
      `requests of ${formatSize(this.#bytes)} are not answered yet, the limit is ${formatSize(this.#bytesMax)}; come again in a second, or send streams over gRPC`,
      { quota: "server:http-bodies", retryAfterMs: httpBodiesRetryMs },
    );
  }
}

function tooLarge(bytes: number, bytesMax: number): TelemetryError {
  return new TelemetryError(
    "INVALID_ARGUMENT",
    "BODY_TOO_LARGE",
    `the body has ${formatSize(bytes)} or more, the limit is ${formatSize(bytesMax)}; split it`,
  );
}
