import { createPrivateKey, X509Certificate } from "node:crypto";
import { createSecureContext } from "node:tls";
import { errorMessage, TelemetryError } from "../base/errors.ts";

/** A certificate, with those between it and its authority behind it, and its private key: PEM. */
export interface KeyPair {
  readonly cert: string;
  readonly key: string;
}

/** What a server shows, and what it asks of its clients. */
export interface ServerTls extends KeyPair {
  /** PEM of the authorities whose certificates clients are asked for; undefined: none is asked for. */
  readonly clientCa?: string | undefined;
  /** Whether a client may have none: it says otherwise who it is. */
  readonly clientsMayHaveNone?: boolean;
}

/** How a client knows its server, and what it shows. */
export interface ClientTls {
  /** PEM of the authorities that the server's certificate is held against; undefined: those that Node comes with. */
  readonly ca?: string | undefined;
  /** For servers that ask for one. */
  readonly pair?: KeyPair | undefined;
  /** The name that the server's certificate must have; undefined: that of its address. */
  readonly serverName?: string | undefined;
}

/** TLS 1.2 is the oldest that has no known weakness; 1.3 is used where both sides have it. */
export const tlsVersionMin = "TLSv1.2";

/**
 * The certificate of a pair.
 * @param what whose it is, for the message
 * @throws TelemetryError when it is none, has ended, or the key is not its own
 */
export function checkPair({ cert, key }: KeyPair, what: string, nowMs: number): X509Certificate {
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(cert);
    if (!certificate.checkPrivateKey(createPrivateKey(key))) throw new Error("the key is another certificate's");
    createSecureContext({ cert, key });
  } catch (error) {
    throw unusable(`${what} cannot be used: ${errorMessage(error)}; give it a certificate and its own key, as PEM`);
  }
  if (certificate.validToDate.getTime() <= nowMs) {
    throw unusable(`${what} has ended on ${certificate.validToDate.toISOString()}; renew it`);
  }
  return certificate;
}

/** @throws TelemetryError when there is no certificate in it */
export function checkAuthorities(ca: string, what: string): void {
  try {
    new X509Certificate(ca);
  } catch (error) {
    throw unusable(`${what} cannot be used: ${errorMessage(error)}; give it certificates of authorities, as PEM`);
  }
}

function unusable(message: string): TelemetryError {
  return new TelemetryError("FAILED_PRECONDITION", "CERTIFICATE_UNUSABLE", message);
}
