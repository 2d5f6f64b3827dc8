import { createHash } from "node:crypto";
import { invalidField } from "../lib/base/errors.ts";
import { pageSizeDefault, pageSizeMax } from "../lib/base/limits.ts";

/**
 * A page token names the last entry of its page, so that what is added or removed elsewhere moves nothing, and what the
 * list was of. Opaque to clients; the version lets its form change.
 */
const version = 2;

/** @param filter what the list is of: anything that JSON tells */
export function encodePageToken(list: string, filter: unknown, position: readonly string[]): string {
  return Buffer.from(JSON.stringify([version, list, digestOf(filter), ...position])).toString("base64url");
}

/** @throws TelemetryError when the token is not of this list, or of this list with another filter */
export function decodePageToken(list: string, filter: unknown, token: string, length: number): string[] {
  let parts: unknown;
  try {
    parts = JSON.parse(Buffer.from(token, "base64url").toString());
  } catch {
    parts = undefined;
  }
  if (Array.isArray(parts) && parts.length === 3 + length && parts[0] === version && parts[1] === list) {
    if (parts[2] !== digestOf(filter)) {
      throw invalidField("page_token", "is of this list with another filter", "send it with the filter of its page");
    }
    const position = parts.slice(3) as unknown[];
    if (position.every((part) => typeof part === "string")) return position;
  }
  throw invalidField("page_token", `is ${JSON.stringify(token.slice(0, 40))}`, "send the next_page_token of this list");
}

/** Equal for filters that choose the same, in whatever order their parts are named. */
function digestOf(filter: unknown): string {
  return createHash("sha256").update(canonical(filter)).digest("base64url").slice(0, 12);
}

function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${[...new Set(value.map(canonical))].sort().join()}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "null";
  const entries = Object.entries(value).filter(([, part]) => part !== undefined);
  return `{${entries
    .map(([key, part]) => `${JSON.stringify(key)}:${canonical(part)}`)
    .sort()
    .join()}}`;
}

/** @throws TelemetryError when it is over the limit */
export function checkPageSize(pageSize: number): number {
  if (pageSize > pageSizeMax) {
    throw invalidField("page_size", `is ${pageSize}, the limit is ${pageSizeMax}`, "ask for smaller pages");
  }
  return pageSize === 0 ? pageSizeDefault : pageSize;
}
