import { generate } from "selfsigned";
import type { KeyPair } from "../../lib/rpc/server.ts";

export interface DevelopmentCertificates {
  /** PEM of the certificate authority. Its key is forgotten: it has signed all that it will sign. */
  readonly ca: string;
  readonly server: KeyPair;
}

/** A certificate authority of its own, and a certificate for this machine's own address, for a day. */
export async function makeCertificates(): Promise<DevelopmentCertificates> {
  const options = { keyType: "ec", algorithm: "sha256", notAfterDate: new Date(Date.now() + 86_400_000) } as const;
  const authority = await generate([{ name: "commonName", value: "Tidemark development CA" }], {
    ...options,
    extensions: [
      { name: "basicConstraints", cA: true, critical: true },
      { name: "keyUsage", keyCertSign: true, cRLSign: true, critical: true },
    ],
  });
  const { cert, private: key } = await generate([{ name: "commonName", value: "localhost" }], {
    ...options,
    ca: { key: authority.private, cert: authority.cert },
    extensions: [
      { name: "basicConstraints", cA: false, critical: true },
      { name: "keyUsage", digitalSignature: true, critical: true },
      { name: "extKeyUsage", serverAuth: true },
      {
        name: "subjectAltName",
        altNames: [
          { type: 2, value: "localhost" },
          { type: 7, ip: "127.0.0.1" },
        ],
      },
    ],
  });
  return { ca: authority.cert, server: { cert, key } };
}
