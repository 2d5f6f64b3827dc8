import { isIP } from "node:net";
import { TelemetryError } from "../base/errors.ts";

/**
 * Whether a request was meant for this machine. A page of another origin whose name is made to lead here (DNS rebinding)
 * counts as ours to the browser, and is told only by the name it asks for.
 * @param host of the request, with or without a port; browsers always send it
 * @throws TelemetryError HOST_UNKNOWN
 */
export function checkOwnHost(host: string | undefined): void {
  if (host === undefined) return;
  const [, name = host] = /^\[?([^\]]*?)\]?(?::\d*)?$/.exec(host) ?? [];
  if (isIP(name) !== 0 || /^(.+\.)?localhost$/i.test(name)) return;
  throw new TelemetryError(
    "PERMISSION_DENIED",
    "HOST_UNKNOWN",
    `host is ${JSON.stringify(host.slice(0, 100))}; a server of this machine without access rules answers to an address or localhost only; ask by one, or serve with --access`,
  );
}
