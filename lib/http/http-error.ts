import { toJsonString } from "@bufbuild/protobuf";
import { StatusSchema } from "../../proto/gen/google/rpc/status_pb.js";
import { type StatusName, TelemetryError } from "../base/errors.ts";
import type { Log } from "../base/log.ts";
import { detailsRegistry, internalError, logBug, richStatus } from "../rpc/status.ts";
import type { HttpAnswer } from "./exchange.ts";

/** https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto */
const httpStatuses: Readonly<Record<StatusName, number>> = {
  CANCELLED: 499,
  INVALID_ARGUMENT: 400,
  DEADLINE_EXCEEDED: 504,
  NOT_FOUND: 404,
  ALREADY_EXISTS: 409,
  RESOURCE_EXHAUSTED: 429,
  FAILED_PRECONDITION: 400,
  UNAUTHENTICATED: 401,
  PERMISSION_DENIED: 403,
  UNIMPLEMENTED: 501,
  INTERNAL: 500,
  UNAVAILABLE: 503,
};

/** What HTTP has a status for, and gRPC has not. */
const httpReasons: Readonly<Record<string, number>> = {
  HOST_UNKNOWN: 421,
  METHOD_NOT_ALLOWED: 405,
  NOT_ACCEPTABLE: 406,
  BODY_TOO_LARGE: 413,
  UNSUPPORTED_MEDIA_TYPE: 415,
};

/** What is told of an error. One that is not ours is a bug: it goes to the log. */
export function toldError(error: unknown, log: Log): TelemetryError {
  if (error instanceof TelemetryError) return error;
  logBug(error, log);
  return new TelemetryError("INTERNAL", "INTERNAL", internalError);
}

export function httpStatusOf({ status, reason }: TelemetryError): number {
  return httpReasons[reason] ?? httpStatuses[status];
}

/** The same error as gRPC tells, as JSON. */
export function statusJson(error: TelemetryError): string {
  return toJsonString(StatusSchema, richStatus(error), { registry: detailsRegistry });
}

export function errorAnswer(error: TelemetryError): HttpAnswer {
  return {
    status: httpStatusOf(error),
    contentType: "application/json",
    body: `${statusJson(error)}\n`,
    headers: errorHeaders(error),
  };
}

export function errorHeaders({ status, reason, metadata, retryAfterMs }: TelemetryError): Record<string, string> {
  return {
    ...(status === "UNAUTHENTICATED" && { "www-authenticate": 'Bearer realm="tidemark"' }),
    ...(reason === "METHOD_NOT_ALLOWED" && { allow: metadata["allow"] ?? "" }),
    ...(retryAfterMs !== undefined && { "retry-after": String(Math.ceil(retryAfterMs / 1_000)) }),
  };
}
