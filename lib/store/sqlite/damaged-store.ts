import { TelemetryError } from "../../base/errors.ts";

/** What of the store is damaged, and what to do. */
export function damagedStore(file: string, detail: string): TelemetryError {
  return new TelemetryError(
    "FAILED_PRECONDITION",
    "STORE_DAMAGED",
    `${file} is damaged: ${detail}; nothing was changed. Put a backup into an empty directory, or begin with an empty ` +
      "one: devices send what they still have",
  );
}
