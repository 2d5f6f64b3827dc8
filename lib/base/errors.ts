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
  /** The same call may succeed after so long; undefined: it is not known, or never. */
  retryAfterMs?: number | undefined;
  /** What a limit is of, where one is used up: `device:truck-7`, `server:queries`. */
  quota?: string | undefined;
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
  readonly retryAfterMs: number | undefined;
  readonly quota: string | undefined;

  constructor(status: StatusName, reason: string, message: string, options: TelemetryErrorOptions = {}) {
    super(message, { cause: options.cause });
    this.status = status;
    this.reason = reason;
    this.field = options.field;
    this.metadata = options.metadata ?? {};
    this.retryAfterMs = options.retryAfterMs;
    this.quota = options.quota;
  }
}

/** INVALID_ARGUMENT for one field: `<field> <problem>; <remedy>`. */
export function invalidField(field: string, problem: string, remedy: string): TelemetryError {
  return new TelemetryError("INVALID_ARGUMENT", "INVALID_FIELD", `${field} ${problem}; ${remedy}`, { field });
}

/** CANCELLED: nobody waits for an answer any more. */
export function callOver(cause?: unknown): TelemetryError {
  return new TelemetryError("CANCELLED", "CALL_OVER", "the call is over", { cause });
}

/** The message of anything that was thrown. */
export function errorMessage(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** What of an error crosses a thread boundary. */
export type TelemetryErrorFields = Pick<
  TelemetryError,
  "status" | "reason" | "message" | "field" | "metadata" | "retryAfterMs" | "quota"
>;

export function toFields(error: TelemetryError): TelemetryErrorFields {
  const { status, reason, message, field, metadata, retryAfterMs, quota } = error;
  return { status, reason, message, field, metadata, retryAfterMs, quota };
}

export function fromFields(fields: TelemetryErrorFields): TelemetryError {
  const { status, reason, message, field, ...options } = fields;
  return new TelemetryError(status, reason, message, { ...options, ...(field !== undefined && { field }) });
}
