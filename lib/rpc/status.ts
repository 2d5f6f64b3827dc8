import { create, createRegistry, type DescMessage, fromBinary, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { type Any, anyPack, anyUnpack, durationFromMs, durationMs } from "@bufbuild/protobuf/wkt";
import { Metadata, type ServiceError, type StatusObject, status } from "@grpc/grpc-js";
import {
  BadRequestSchema,
  ErrorInfoSchema,
  QuotaFailureSchema,
  RetryInfoSchema,
} from "../../proto/gen/google/rpc/error_details_pb.js";
import { type Status, StatusSchema } from "../../proto/gen/google/rpc/status_pb.js";
import { type StatusName, TelemetryError } from "../base/errors.ts";
import type { Log } from "../base/log.ts";

const detailsKey = "grpc-status-details-bin";
const errorDomain = "tidemark";
/**
 * A client's own retry waits within its call, and would run into its deadline: a longer wait is for whoever called, who
 * learns of it from RetryInfo. What says nothing of when would be as large, or as many, the next time.
 */
const retryPushbackMsMax = 5_000;

export type CallStatus = Pick<StatusObject, "code" | "details"> & Partial<Pick<StatusObject, "metadata">>;

/**
 * The status that ends a call after something was thrown. An error that is not ours is a bug: it goes
 * to the log, and the client learns no more than that.
 */
export function toStatus(error: unknown, log: Log): CallStatus {
  if (!(error instanceof TelemetryError)) {
    logBug(error, log);
    return { code: status.INTERNAL, details: internalError };
  }
  const { retryAfterMs } = error;
  const rich = richStatus(error);
  const metadata = new Metadata();
  // What grpc's own retries go by.
  if (retryAfterMs !== undefined && retryAfterMs <= retryPushbackMsMax) {
    metadata.set("grpc-retry-pushback-ms", String(Math.ceil(retryAfterMs)));
  } else if (error.status === "RESOURCE_EXHAUSTED") metadata.set("grpc-retry-pushback-ms", "-1");
  metadata.set(detailsKey, Buffer.from(toBinary(StatusSchema, rich)));
  return { code: rich.code, details: rich.message, metadata };
}

/** What a client learns of an error that is not ours. */
export const internalError = "internal error; see the server's log";

export function logBug(error: unknown, log: Log): void {
  log.warn(`bug: ${error instanceof Error ? error.stack : String(error)}`);
}

/** An error with all that is told of it. */
export function richStatus(error: TelemetryError): Status {
  const { reason, message, field, quota, retryAfterMs } = error;
  const info = create(ErrorInfoSchema, { reason, domain: errorDomain, metadata: { ...error.metadata } });
  const details = [anyPack(ErrorInfoSchema, info)];
  if (field !== undefined) {
    const fieldViolations = [{ field, description: message }];
    details.push(anyPack(BadRequestSchema, create(BadRequestSchema, { fieldViolations })));
  }
  if (quota !== undefined) {
    const violations = [{ subject: quota, description: message }];
    details.push(anyPack(QuotaFailureSchema, create(QuotaFailureSchema, { violations })));
  }
  if (retryAfterMs !== undefined) {
    const retryDelay = durationFromMs(Math.ceil(retryAfterMs));
    details.push(anyPack(RetryInfoSchema, create(RetryInfoSchema, { retryDelay })));
  }
  return create(StatusSchema, { code: status[error.status], message, details });
}

/** The messages that details are, to write them as JSON. */
export const detailsRegistry = createRegistry(ErrorInfoSchema, BadRequestSchema, QuotaFailureSchema, RetryInfoSchema);

/** What a failed call of a client means, with the server's reason when it told one. */
export function fromServiceError(error: ServiceError): TelemetryError {
  const name = status[error.code] as StatusName;
  const details = detailsOf(error.metadata);
  const info = detailOf(details, ErrorInfoSchema);
  const retry = detailOf(details, RetryInfoSchema);
  const quota = detailOf(details, QuotaFailureSchema);
  return new TelemetryError(name, info?.reason ?? name, error.details || error.message, {
    metadata: info?.metadata ?? {},
    retryAfterMs: retry?.retryDelay && durationMs(retry.retryDelay),
    quota: quota?.violations[0]?.subject,
    cause: error,
  });
}

// The details come from a peer: where they cannot be read, the status still stands.

function detailOf<D extends DescMessage>(details: readonly Any[], schema: D): MessageShape<D> | undefined {
  try {
    return details.map((detail) => anyUnpack(detail, schema)).find((found) => found !== undefined);
  } catch {
    return undefined;
  }
}

function detailsOf(metadata: Metadata | undefined): readonly Any[] {
  const [bytes] = metadata?.get(detailsKey) ?? [];
  if (!Buffer.isBuffer(bytes)) return [];
  try {
    return fromBinary(StatusSchema, bytes).details;
  } catch {
    return [];
  }
}
