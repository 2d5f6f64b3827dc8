import { checkServerIdentity, type PeerCertificate } from "node:tls";
import { type ChannelCredentials, credentials } from "@grpc/grpc-js";
import { hostOf } from "../base/host-port.ts";
import type { ClientTls } from "./tls.ts";

/**
 * How a client knows its servers, and what it shows to them.
 * @param tls undefined: plaintext
 * @param addresses `HOST:PORT` of each
 */
export function credentialsOf(tls: ClientTls | undefined, addresses: readonly string[]): ChannelCredentials {
  if (tls === undefined) return credentials.createInsecure();
  const { ca, pair, serverName } = tls;
  const buffer = (pem: string | undefined) => (pem === undefined ? null : Buffer.from(pem));
  const isAny = addresses.length > 1 && serverName === undefined;
  const verify = isAny ? { checkServerIdentity: identityOfAny(addresses) } : {};
  return credentials.createSsl(buffer(ca), buffer(pair?.key), buffer(pair?.cert), verify);
}

/**
 * Holds a server's certificate against several names: grpc-js knows the first one only. Whoever names several servers
 * trusts each of them as much.
 * @param addresses `HOST:PORT` of each
 */
function identityOfAny(addresses: readonly string[]) {
  const hosts = addresses.map(hostOf);
  return (_: string, certificate: PeerCertificate): Error | undefined => {
    const failures = hosts.map((host) => checkServerIdentity(host, certificate));
    return failures.includes(undefined) ? undefined : failures[0];
  };
}
