import type { Cell } from "../../cell.ts";
import type { MessageSource, Outgoing } from "../message-source.ts";
import type { GeneratorPlan } from "../messages.ts";

export interface TransportOptions {
  readonly cell: Cell;
  readonly addresses: GeneratorPlan["addresses"];
  /** Whose devices are registered when the transport opens, where the way has registrations. */
  readonly source: MessageSource;
}

/** Brings messages to the server in one way. */
export interface Transport {
  /** @throws TelemetryError when the server cannot be reached, or refuses a registration */
  open(): Promise<void>;
  /** Resolves when all of the batches are settled. @throws TelemetryError when one of them is refused */
  carry(slot: number, batches: readonly Outgoing[]): Promise<void>;
  /** Whatever is in flight is given up. */
  close(): Promise<void>;
}

export const connectTimeoutMs = 5_000;
