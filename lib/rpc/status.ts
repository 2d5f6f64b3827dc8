import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { anyPack, anyUnpack } from "@bufbuild/protobuf/wkt";
import { Metadata, type ServiceError, type StatusObject, status } from "@grpc/grpc-js";
import { BadRequestSchema, ErrorInfoSchema } from "../../proto/gen/google/rpc/error_details_pb.js";
import { StatusSchema } from "../../proto/gen/google/rpc/status_pb.js";
import { type StatusName, TelemetryError } from "../base/errors.ts";
import type { Log } from "../base/log.ts";

const detailsKey = "grpc-status-details-bin";
const errorDomain = "tidemark";

export type CallStatus = Pick<StatusObject, "code" | "details"> & Partial<Pick<StatusObject, "metadata">>;

/**
 * The status that ends a call after something was thrown. An error that is not ours is a bug: it goes
 * to the log, and the client learns no more than that.
 */
export function toStatus(error: unknown, log: Log): CallStatus {
  if (!(error instanceof TelemetryError)) {
    log.warn(`bug: ${error instanceof Error ? error.stack : String(error)}`);
    return { code: status.INTERNAL, details: "internal error; see the server's log" };
  }
  const code = status[error.status];
  const details = [
    anyPack(
      ErrorInfoSchema,
      create(ErrorInfoSchema, { reason: error.reason, domain: errorDomain, metadata: { ...error.metadata } }),
    ),
  ];
  if (error.field !== undefined) {
    const fieldViolations = [{ field: error.field, description: error.message }];
    details.push(anyPack(BadRequestSchema, create(BadRequestSchema, { fieldViolations })));
  }
  const metadata = new Metadata();
  const rich = create(StatusSchema, { code, message: error.message, details });
  metadata.set(detailsKey, Buffer.from(toBinary(StatusSchema, rich)));
  return { code, details: error.message, metadata };
}

/** What a failed call of a client means, with the server's reason when it told one. */
export function fromServiceError(error: ServiceError): TelemetryError {
  const name = status[error.code] as StatusName;
  const info = errorInfo(error.metadata);
  return new TelemetryError(name, info?.reason ?? name, error.details || error.message, {
    metadata: info?.metadata ?? {},
    cause: error,
  });
}

function errorInfo(metadata: Metadata | undefined) {
  const [bytes] = metadata?.get(detailsKey) ?? [];
  if (!Buffer.isBuffer(bytes)) return undefined;
  try {
    const { details } = fromBinary(StatusSchema, bytes);
    return details.map((detail) => anyUnpack(detail, ErrorInfoSchema)).find((info) => info !== undefined);
  } catch {
    // The details come from a peer; without them the status still stands.
    return undefined;
  }
}
