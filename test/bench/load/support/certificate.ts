import { generate } from "selfsigned";
import type { KeyPair } from "../../../../lib/rpc/tls.ts";

/** For 127.0.0.1, and its own authority. */
export async function certificate(): Promise<KeyPair & { readonly ca: string }> {
  const { cert, private: key } = await generate([{ name: "commonName", value: "localhost" }], {
    keyType: "ec",
    algorithm: "sha256",
    extensions: [
      { name: "basicConstraints", cA: true },
      { name: "subjectAltName", altNames: [{ type: 7, ip: "127.0.0.1" }] },
    ],
  });
  return { cert, key, ca: cert };
}
