/** The canonical status names of gRPC; `lib/rpc/status.ts` maps them to numbers. */
export type StatusName =
  | "CANCELLED"
  | "INVALID_ARGUMENT"
  | "DEADLINE_EXCEEDED"
  | "NOT_FOUND"
  | "ALREADY_EXISTS"
  | "RESOURCE_EXHAUSTED"
  | "FAILED_PRECONDITION"
  | "UNAUTHENTICATED"
  | "PERMISSION_DENIED"
  | "UNIMPLEMENTED"
  | "INTERNAL"
  | "UNAVAILABLE";

export interface TelemetryErrorOptions {
  /** Path of the field that is wrong, such as `batch.tables[0].values`. */
  field?: string;
  /** Values for programs, sent with the error. */
  metadata?: Record<string, string>;
  cause?: unknown;
}

/**
 * An expected failure: input from outside that is wrong, or a peer or resource that is not there.
 * The message names field, value, limit and remedy, and may be shown to whoever sent the input.
 * A broken invariant of our own is an assertion, not one of these.
 */
export class TelemetryError extends Error {
  override readonly name = "TelemetryError";
  readonly status: StatusName;
  /** Upper snake case, stable: programs may compare it. */
  readonly reason: string;
  readonly field: string | undefined;
  readonly metadata: Readonly<Record<string, string>>;

  constructor(status: StatusName, reason: string, message: string, options: TelemetryErrorOptions = {}) {
    super(message, { cause: options.cause });
    this.status = status;
    this.reason = reason;
    this.field = options.field;
    this.metadata = options.metadata ?? {};
  }
}

/** INVALID_ARGUMENT for one field: `<field> <problem>; <remedy>`. */
export function invalidField(field: string, problem: string, remedy: string): TelemetryError {
  return new TelemetryError("INVALID_ARGUMENT", "INVALID_FIELD", `${field} ${problem}; ${remedy}`, { field });
}

/** The message of anything that was thrown. */
export function errorMessage(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** What of an error crosses a thread boundary. */
export type TelemetryErrorFields = Pick<TelemetryError, "status" | "reason" | "message" | "field" | "metadata">;

export function toFields({ status, reason, message, field, metadata }: TelemetryError): TelemetryErrorFields {
  return { status, reason, message, field, metadata };
}

export function fromFields(fields: TelemetryErrorFields): TelemetryError {
  const { status, reason, message, field, metadata } = fields;
  return new TelemetryError(status, reason, message, { metadata, ...(field !== undefined && { field }) });
}
