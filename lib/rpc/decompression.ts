import { promisify } from "node:util";
import { gunzip, gunzipSync, inflate, inflateSync } from "node:zlib";
import type { ServerInterceptor } from "@grpc/grpc-js";
import { TelemetryError } from "../base/errors.ts";
import { decompressedAtOnceBytesMax, messageBytesHardMax } from "../base/limits.ts";
import type { Log } from "../base/log.ts";
import { toStatus } from "./status.ts";

const bounds = { maxOutputLength: messageBytesHardMax };
const gzip = { atOnce: gunzipSync, later: promisify<Buffer, typeof bounds, Buffer>(gunzip) };
const deflate = { atOnce: inflateSync, later: promisify<Buffer, typeof bounds, Buffer>(inflate) };

/** One after the other, of all calls: each may come to a thousand times its bytes before it is too large. */
let last: Promise<unknown> = Promise.resolve();

/**
 * Decompresses the messages of grpc-js's calls. It would begin with all that have come: hundreds of tiny messages in one
 * frame, each with some 50 KiB of a decompressor. It has no door to that: this reaches into it.
 */
export function boundDecompression(next: ServerInterceptor, log: Log): ServerInterceptor {
  return (method, call) => {
    const general: unknown = Reflect.get(call, "decompressMessage");
    if (typeof general !== "function") throw new Error("this version of grpc-js decompresses elsewhere");
    Reflect.set(call, "decompressMessage", async (message: Buffer, encoding: string) => {
      if (encoding !== "gzip" && encoding !== "deflate") return await general.call(call, message, encoding);
      try {
        return await decompressed(message.subarray(headBytes), encoding === "gzip" ? gzip : deflate);
      } catch (error) {
        throw toStatus(refusal(error), log);
      }
    });
    return next(method, call);
  };
}

/** Before each message: whether it is compressed, and its length. */
const headBytes = 5;

async function decompressed(bytes: Buffer, { atOnce, later }: typeof gzip): Promise<Buffer> {
  if (bytes.length <= decompressedAtOnceBytesMax) return atOnce(bytes, bounds);
  const result = last.then(() => later(bytes, bounds));
  last = result.catch(() => {});
  return await result;
}

function refusal(cause: unknown): TelemetryError {
  if ((cause as NodeJS.ErrnoException).code === "ERR_BUFFER_TOO_LARGE") {
    const text = `a message has more than ${messageBytesHardMax} bytes decompressed, the limit; send smaller messages`;
    return new TelemetryError("RESOURCE_EXHAUSTED", "MESSAGE_TOO_LARGE", text, { cause });
  }
  const text = "a message cannot be decompressed; send what grpc-encoding says";
  return new TelemetryError("INVALID_ARGUMENT", "MALFORMED_MESSAGE", text, { cause });
}
