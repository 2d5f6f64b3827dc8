import { isIP } from "node:net";
import { generate } from "selfsigned";
import { systemClock } from "../base/clock.ts";
import { invalidField } from "../base/errors.ts";
import type { KeyPair } from "./tls.ts";

/** Certificates of an authority of one's own: for development, and for fleets that have no other. ECDSA with P-256. */

/** As long as X.509 allows for a common name. */
export const commonNameLengthMax = 64;

/** A clock that is a little behind takes a new certificate all the same. */
const clockSkewMs = 5 * 60_000;
const dayMs = 86_400_000;

type Extensions = NonNullable<NonNullable<Parameters<typeof generate>[1]>["extensions"]>;

export async function makeAuthority(name: string, days: number): Promise<KeyPair> {
  return await make(name, days, undefined, [
    { name: "basicConstraints", cA: true, critical: true },
    { name: "keyUsage", keyCertSign: true, cRLSign: true, critical: true },
  ]);
}

/** @param names that clients know the server by: host names and IP addresses, at least one */
export async function makeServerPair(authority: KeyPair, names: readonly string[], days: number): Promise<KeyPair> {
  const altNames = names.map((name) =>
    isIP(name) === 0 ? ({ type: 2, value: name } as const) : ({ type: 7, ip: name } as const),
  );
  return await make(names[0], days, authority, [
    ...leaf,
    { name: "extKeyUsage", serverAuth: true },
    { name: "subjectAltName", altNames },
  ]);
}

/** @param name that the server knows the client by: the certificate's common name */
export async function makeClientPair(authority: KeyPair, name: string, days: number): Promise<KeyPair> {
  return await make(name, days, authority, [...leaf, { name: "extKeyUsage", clientAuth: true }]);
}

const leaf: Extensions = [
  { name: "basicConstraints", cA: false, critical: true },
  { name: "keyUsage", digitalSignature: true, critical: true },
];

async function make(
  name: string,
  days: number,
  authority: KeyPair | undefined,
  extensions: Extensions,
): Promise<KeyPair> {
  if (name === "" || name.length > commonNameLengthMax) {
    throw invalidField(
      "certificate name",
      `is ${JSON.stringify(name)}, ${name.length} characters long`,
      `choose 1 to ${commonNameLengthMax}`,
    );
  }
  const nowMs = systemClock.nowMs();
  const { cert, private: key } = await generate([{ name: "commonName", value: name }], {
    keyType: "ec",
    algorithm: "sha256",
    notBeforeDate: new Date(nowMs - clockSkewMs),
    notAfterDate: new Date(nowMs + days * dayMs),
    extensions,
    ...(authority !== undefined && { ca: authority }),
  });
  return { cert, key };
}
