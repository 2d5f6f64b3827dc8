import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import { invalidField, TelemetryError } from "../lib/base/errors.ts";
import type { LiveFilter } from "../lib/store/live-feed.ts";
import type { Selector } from "../lib/store/selector.ts";
import type { Revision } from "../lib/store/store.ts";

/** How far a subscription has come. */
export type Place =
  /** Its snapshot is not complete: it begins again. `fromMs`: of its first window. */
  { readonly kind: "snapshot"; readonly fromMs: number } | ChangesPlace;

/** Everything has been sent that changed up to a commit. */
export interface ChangesPlace {
  readonly kind: "changes";
  readonly revision: Revision;
  /**
   * No window that was sent, and was provisional when it was sent last, starts earlier: those that start here or later
   * may have become final, which no commit tells. Infinity: there is none.
   */
  readonly fromMs: number;
}

/**
 * A resume token, opaque to clients: 1 byte of version and kind, 8 of the database's name, 8 of a hash of selector and
 * tier, 8 of the revision, 8 of the time, and a checksum. Doubles are little-endian.
 */
const version = 1;
const kinds = ["snapshot", "changes"] as const;
const bodyBytes = 1 + 8 + 8 + 8 + 8;
const tokenBytes = bodyBytes + 4;

/** What a token is good for. */
export class TokenScope {
  readonly #head: Buffer;

  /** @param incarnation names the database, 32 hexadecimal digits */
  constructor(incarnation: string, filter: LiveFilter) {
    this.#head = Buffer.concat([Buffer.from(incarnation, "hex").subarray(0, 8), selectionHash(filter)]);
  }

  encode(place: Place): Uint8Array {
    const token = Buffer.alloc(tokenBytes);
    token.writeUInt8((version << 1) | kinds.indexOf(place.kind), 0);
    this.#head.copy(token, 1);
    token.writeDoubleLE(place.kind === "changes" ? place.revision : 0, 17);
    token.writeDoubleLE(place.fromMs, 25);
    token.writeUInt32LE(crc32(token.subarray(0, bodyBytes)), bodyBytes);
    return token;
  }

  /** @throws TelemetryError when it is not a token of this database, selector and tier */
  decode(bytes: Uint8Array): Place {
    const token = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const isWhole =
      token.length === tokenBytes && token.readUInt32LE(bodyBytes) === crc32(token.subarray(0, bodyBytes));
    if (!isWhole || token.readUInt8(0) >> 1 !== version) {
      throw invalidField("resume_token", "is not a resume token", "send the bytes of the last message as they came");
    }
    if (!token.subarray(1, 9).equals(this.#head.subarray(0, 8))) throw anotherStore("is of another database");
    if (!token.subarray(9, 17).equals(this.#head.subarray(8))) {
      throw invalidField(
        "resume_token",
        "is of another selection",
        "send it with the selector and tier that it came of",
      );
    }
    const kind = kinds[token.readUInt8(0) & 1];
    const fromMs = token.readDoubleLE(25);
    return kind === "snapshot" ? { kind, fromMs } : { kind, revision: token.readDoubleLE(17), fromMs };
  }
}

/** @param what is wrong with the token */
export function anotherStore(what: string): TelemetryError {
  return new TelemetryError(
    "FAILED_PRECONDITION",
    "RESUME_TOKEN_OF_ANOTHER_STORE",
    `resume_token ${what}: a backup was restored, or the data directory was replaced; subscribe without it, for a new snapshot`,
    { field: "resume_token" },
  );
}

function selectionHash({ selector, widthMs }: LiveFilter): Buffer {
  return createHash("sha256")
    .update(`${widthMs} ${selectorKey(selector)}`)
    .digest()
    .subarray(0, 8);
}

/** Equal for selectors that choose the same, in whatever order they name it. */
export function selectorKey(selector: Selector): string {
  const names = (of: readonly string[] | undefined) => (of === undefined ? null : [...new Set(of)].sort());
  return JSON.stringify([
    names(selector.deviceIds),
    names(selector.deviceIdPrefixes),
    names(selector.metricNames),
    names(selector.metricNamePrefixes),
    Object.entries(selector.labels ?? {}).sort(([a], [b]) => (a < b ? -1 : 1)),
  ]);
}
