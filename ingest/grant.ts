import { mayWrite, type Principal } from "../lib/access/principal.ts";
import { TelemetryError } from "../lib/base/errors.ts";

/** What the writer has to know of who makes a call. */
export type Grant = Pick<Principal, "kind" | "name" | "devices">;

/** @returns undefined: nobody in particular, who may write all devices */
export function encodeGrant({ kind, name, devices }: Principal): Uint8Array | undefined {
  return kind === "anyone" ? undefined : Buffer.from(JSON.stringify({ kind, name, devices } satisfies Grant));
}

export function decodeGrant(bytes: Uint8Array): Grant | undefined {
  return bytes.length === 0 ? undefined : (JSON.parse(Buffer.from(bytes).toString()) as Grant);
}

/** @throws TelemetryError PERMISSION_DENIED when the device may not be written */
export function checkGrant(grant: Grant | undefined, deviceId: string): void {
  if (grant === undefined || mayWrite(grant.devices, deviceId)) return;
  const { kind, name, devices } = grant;
  throw new TelemetryError(
    "PERMISSION_DENIED",
    "DEVICE_NOT_ALLOWED",
    `registration.device_id is ${JSON.stringify(deviceId)}; ${kind} ${JSON.stringify(name)} may write ` +
      `${devices.map((pattern) => JSON.stringify(pattern)).join(", ")}`,
    { field: "registration.device_id" },
  );
}
