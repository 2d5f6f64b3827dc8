import type { Readable } from "node:stream";
import { gunzipSync } from "node:zlib";
import { errorMessage, TelemetryError } from "../../lib/base/errors.ts";
import { messageBytesMax } from "../../lib/base/limits.ts";

/**
 * The whole body of a request, of at most `messageBytesMax`. What is over it is not kept.
 * @throws TelemetryError when it is larger, or its sender has gone
 */
export function readBody(stream: Readable): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  return new Promise((resolve, reject) => {
    stream.on("data", (chunk: Buffer) => {
      length += chunk.length;
      if (length <= messageBytesMax) chunks.push(chunk);
      else {
        chunks.length = 0;
        reject(tooLarge());
      }
    });
    stream.on("end", () => resolve(chunks.length === 1 ? chunks[0] : Buffer.concat(chunks)));
    const onGone = () => {
      // Each body closes: without this, errors that nobody sees were a twentieth of this thread's time.
      if (!stream.readableEnded) reject(new TelemetryError("CANCELLED", "CLIENT_GONE", "the client has gone"));
    };
    stream.on("error", onGone);
    stream.on("close", onGone);
  });
}

/**
 * @param contentEncoding the header
 * @throws TelemetryError when it is none that is known, or the body is not what it says
 */
export function unpack(body: Buffer, contentEncoding: string | undefined): Buffer {
  if (contentEncoding === undefined || contentEncoding === "identity") return body;
  if (contentEncoding !== "gzip") {
    const message = `content-encoding is ${contentEncoding}; send gzip, or none`;
    throw new TelemetryError("INVALID_ARGUMENT", "UNSUPPORTED_ENCODING", message, { field: "content-encoding" });
  }
  try {
    // At once: on the threads of libuv a body of 100 samples costs 45 to 60 us instead of 21 to 27, and what is longest,
    // a whole `messageBytesMax`, holds the others up for a few milliseconds.
    return gunzipSync(body, { maxOutputLength: messageBytesMax });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ERR_BUFFER_TOO_LARGE") throw tooLarge();
    const message = `body is not gzip: ${errorMessage(error)}; send what content-encoding says`;
    throw new TelemetryError("INVALID_ARGUMENT", "MALFORMED_BODY", message, { field: "body" });
  }
}

function tooLarge(): TelemetryError {
  const message = `body has more than ${messageBytesMax} bytes; send smaller batches`;
  return new TelemetryError("INVALID_ARGUMENT", "BODY_TOO_LARGE", message, { field: "body" });
}
