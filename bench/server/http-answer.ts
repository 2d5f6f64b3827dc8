import type { IncomingHttpHeaders } from "node:http";
import type { Readable } from "node:stream";
import { type StatusName, TelemetryError } from "../../lib/base/errors.ts";
import { type Encoding, encodings } from "../cell.ts";
import { batchesPath, mediaTypeOf } from "../http-batches.ts";
import { readBody } from "./http-body.ts";

/** What answers a request, by HTTP/1.1 and HTTP/2 alike. */
export interface HttpAnswer {
  readonly status: number;
  readonly contentType: string;
  readonly body: string | Uint8Array;
}

/**
 * Takes a body. It is the receiver's.
 * @param contentEncoding the header: the body is as it came
 * @throws TelemetryError when it is refused
 */
export type TakeBody = (encoding: Encoding, body: Buffer, contentEncoding: string | undefined) => Promise<HttpAnswer>;

export interface HttpRequest {
  readonly method: string | undefined;
  readonly path: string | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly body: Readable;
}

/** @returns also for what is not taken */
export async function answerRequest(request: HttpRequest, take: TakeBody): Promise<HttpAnswer> {
  try {
    const encoding = encodingOf(request);
    return await take(encoding, await readBody(request.body), request.headers["content-encoding"]);
  } catch (error) {
    return refusal(error instanceof TelemetryError ? error : bug(error));
  }
}

const encodingOfType = new Map(encodings.map((encoding) => [mediaTypeOf(encoding), encoding]));

function encodingOf({ method, path, headers }: HttpRequest): Encoding {
  if (path !== batchesPath)
    throw new TelemetryError("NOT_FOUND", "UNKNOWN_PATH", `path is ${path}; use ${batchesPath}`);
  if (method !== "POST") {
    throw new TelemetryError("UNIMPLEMENTED", "METHOD_NOT_ALLOWED", `method is ${method}; use POST`);
  }
  const encoding = encodingOfType.get(headers["content-type"] ?? "");
  if (encoding !== undefined) return encoding;
  const known = [...encodingOfType.keys()].join(", ");
  const message = `content-type is ${headers["content-type"] ?? "missing"}; send one of ${known}`;
  throw new TelemetryError("INVALID_ARGUMENT", "UNSUPPORTED_TYPE", message, { field: "content-type" });
}

const statusOfReason: Readonly<Record<string, number>> = {
  METHOD_NOT_ALLOWED: 405,
  BODY_TOO_LARGE: 413,
  UNSUPPORTED_TYPE: 415,
  UNSUPPORTED_ENCODING: 415,
};

const statusOf: Readonly<Partial<Record<StatusName, number>>> = {
  INVALID_ARGUMENT: 400,
  NOT_FOUND: 404,
  FAILED_PRECONDITION: 409,
  RESOURCE_EXHAUSTED: 429,
  UNAVAILABLE: 503,
};

function bug(error: unknown): TelemetryError {
  console.error(error);
  return new TelemetryError("INTERNAL", "BUG", "internal error; see the server's standard error");
}

function refusal({ status, reason, message }: TelemetryError): HttpAnswer {
  return {
    status: statusOfReason[reason] ?? statusOf[status] ?? 500,
    contentType: "application/json",
    body: JSON.stringify({ error: { reason, message } }),
  };
}
