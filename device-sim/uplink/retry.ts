import { Backoff } from "../../lib/base/backoff.ts";
import { TelemetryError } from "../../lib/base/errors.ts";
import type { Prng } from "../../lib/base/prng.ts";
import { isFinal } from "./carrier.ts";

/** Calls in a row that may fail in a way that does not pass by itself, with nothing acked between them. */
const doubtfulMax = 3;

/**
 * What an upload ends with when one of its devices is not where the client thinks, or is refused. It does
 * not say which: they are asked one by one before the next call.
 */
const aboutOneDevice = [
  "SEQUENCE_GAP",
  "SUPERSEDED",
  "DEVICE_DELETED",
  "DEVICE_NOT_ALLOWED",
  "UNKNOWN_DEVICE",
  "INVALID_FIELD",
];

/** When to call again after a call has failed. */
export class Retry {
  readonly #backoff: Backoff;
  #doubtful = 0;

  constructor(prng: Prng) {
    this.#backoff = new Backoff(prng);
  }

  /** Something was acked since the last failure. */
  progressed(): void {
    this.#backoff.reset();
    this.#doubtful = 0;
  }

  /** Whether calling again cannot help: the same bytes would fail for ever. */
  isOver(error: unknown): boolean {
    if (!(error instanceof TelemetryError)) return true;
    const unexplained = error.status === "RESOURCE_EXHAUSTED" && !isExplained(error);
    if (!unexplained && !isFinal(error)) return false;
    if (!unexplained && !aboutOneDevice.includes(error.reason)) return true;
    this.#doubtful += 1;
    return this.#doubtful > doubtfulMax;
  }

  /** Milliseconds until the next call. @param error what ended the last one; undefined: nothing was wrong */
  waitMs(error: unknown): number {
    return retryAfterMs(error) + this.#backoff.nextMs();
  }
}

/** A full disk says when to come again. A message that is too large says nothing: it would be too large again. */
function isExplained(error: TelemetryError): boolean {
  return error.reason !== error.status || retryAfterMs(error) > 0;
}

function retryAfterMs(error: unknown): number {
  return error instanceof TelemetryError ? (error.retryAfterMs ?? 0) : 0;
}
