import type { Encoding } from "./cell.ts";

/** Where batches go over plain HTTP, and what they are called there: by server and generator alike. */

export const batchesPath = "/batches";

export function mediaTypeOf(encoding: Encoding): string {
  return `application/vnd.tidemark.${encoding}`;
}
