import { createHash, randomBytes, scrypt, timingSafeEqual } from "node:crypto";
import { promisify } from "node:util";

/**
 * Secrets as they are kept. A token is random, so that a plain hash of it cannot be turned back; a password is not, and
 * is hashed so that each guess costs 32 MiB and some 50 ms.
 */

export interface NewToken {
  /** What its bearer sends: told once. */
  readonly token: string;
  /** Names it, and is no secret. */
  readonly id: string;
  /** Of its secret part, hexadecimal. */
  readonly sha256: string;
}

const tokenPattern = /^tm_([0-9a-f]{12})_([A-Za-z0-9_-]{43})$/;

export function makeToken(): NewToken {
  const id = randomBytes(6).toString("hex");
  const secret = randomBytes(32).toString("base64url");
  return { token: `tm_${id}_${secret}`, id, sha256: sha256(secret).toString("hex") };
}

/** @returns undefined when it is no token of ours */
export function readToken(token: string): { readonly id: string; readonly secret: string } | undefined {
  const [, id, secret] = tokenPattern.exec(token) ?? [];
  return id === undefined || secret === undefined ? undefined : { id, secret };
}

/** Takes as long for every secret. @param hash SHA-256, hexadecimal */
export function isTokenSecret(secret: string, hash: string): boolean {
  return timingSafeEqual(sha256(secret), Buffer.from(hash, "hex"));
}

function sha256(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}

const scryptBytes = promisify<string, Buffer, number, ScryptCost, Buffer>(scrypt);

interface ScryptCost {
  readonly N: number;
  readonly r: number;
  readonly p: number;
  readonly maxmem: number;
}

const logN = 15;
const blockSize = 8;
const parallel = 1;
const saltBytes = 16;
const hashBytes = 32;

/** More would let whoever writes the file stop the server. */
const logNMax = 20;

export const passwordHashPattern =
  /^scrypt\$(\d{1,2})\$(\d{1,2})\$(\d{1,2})\$([A-Za-z0-9_-]{22,})\$([A-Za-z0-9_-]{43})$/;

/** `scrypt$LOG2N$R$P$SALT$HASH`, salt and hash as base64url. */
export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(saltBytes);
  const hash = await scryptBytes(password, salt, hashBytes, costOf(logN, blockSize, parallel));
  return `scrypt$${logN}$${blockSize}$${parallel}$${salt.toString("base64url")}$${hash.toString("base64url")}`;
}

/** @param kept by `hashPassword`. Rejects when it is not of its form */
export async function isPassword(password: string, kept: string): Promise<boolean> {
  const [, log2, r, p, salt, hash] = passwordHashPattern.exec(kept) ?? [];
  if (hash === undefined || salt === undefined || Number(log2) > logNMax) throw new Error("no hash of a password");
  const expected = Buffer.from(hash, "base64url");
  const cost = costOf(Number(log2), Number(r), Number(p));
  return timingSafeEqual(await scryptBytes(password, Buffer.from(salt, "base64url"), expected.length, cost), expected);
}

function costOf(log2: number, r: number, p: number): ScryptCost {
  const N = 2 ** log2;
  return { N, r, p, maxmem: 256 * N * r };
}
