import type { Inlet } from "../ingest/inlet.ts";
import { ingestBytesInFlightMax, selectionBytesMax } from "../lib/base/limits.ts";
import type { Subscriptions } from "../query/subscriptions.ts";

/** A bounded place where data waits, in bytes. */
export interface ByteHop {
  readonly name: string;
  readonly used: number;
  readonly limit: number;
}

/** Those of the I/O thread, in the order of the data's way. */
export function byteHops(inlet: Inlet, subscriptions: Subscriptions): readonly [ByteHop, ByteHop, ByteHop] {
  return [
    { name: "calls", used: inlet.fullestCallBytes, limit: inlet.callBytesMax },
    { name: "writer", used: inlet.bytesInFlight, limit: ingestBytesInFlightMax },
    { name: "subscribers", used: subscriptions.fullestBytes, limit: selectionBytesMax },
  ];
}
