import { randomBytes } from "node:crypto";

/**
 * A segment begins with what it is, and a salt that nobody outside knows.
 *
 *     "tidemark" (8 bytes of ASCII), version u32, salt u32
 */
export const headerBytes = 16;
const name = "tidemark";
const version = 1;

export function newHeader(): { readonly bytes: Buffer; readonly salt: number } {
  const salt = randomBytes(4).readUInt32LE();
  const bytes = Buffer.alloc(headerBytes);
  bytes.write(name, "latin1");
  bytes.writeUInt32LE(version, 8);
  bytes.writeUInt32LE(salt, 12);
  return { bytes, salt };
}

/** @returns the salt; undefined when it is no header */
export function readHeader(bytes: Buffer): number | undefined {
  const isHeader = bytes.toString("latin1", 0, 8) === name && bytes.readUInt32LE(8) === version;
  return isHeader ? bytes.readUInt32LE(12) : undefined;
}
