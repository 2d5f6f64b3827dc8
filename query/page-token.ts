import { invalidField } from "../lib/base/errors.ts";
import { pageSizeDefault, pageSizeMax } from "../lib/base/limits.ts";

/**
 * A page token names the last entry of its page, so that what is added or removed elsewhere moves
 * nothing. Opaque to clients; the version lets its form change.
 */
const version = 1;

export function encodePageToken(list: string, position: readonly string[]): string {
  return Buffer.from(JSON.stringify([version, list, ...position])).toString("base64url");
}

/** @throws TelemetryError when the token is not of this list */
export function decodePageToken(list: string, token: string, length: number): string[] {
  let parts: unknown;
  try {
    parts = JSON.parse(Buffer.from(token, "base64url").toString());
  } catch {
    parts = undefined;
  }
  if (Array.isArray(parts) && parts.length === 2 + length && parts[0] === version && parts[1] === list) {
    const position = parts.slice(2) as unknown[];
    if (position.every((part) => typeof part === "string")) return position;
  }
  throw invalidField("page_token", `is ${JSON.stringify(token.slice(0, 40))}`, "send the next_page_token of this list");
}

/** @throws TelemetryError when it is over the limit */
export function checkPageSize(pageSize: number): number {
  if (pageSize > pageSizeMax) {
    throw invalidField("page_size", `is ${pageSize}, the limit is ${pageSizeMax}`, "ask for smaller pages");
  }
  return pageSize === 0 ? pageSizeDefault : pageSize;
}
