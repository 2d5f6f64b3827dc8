import type { Clock } from "../../lib/base/clock.ts";
import type { Meter } from "./meter.ts";
import type { Sender } from "./sender.ts";

export interface LoopOptions {
  readonly sender: Sender;
  readonly slots: number;
  readonly clock: Clock;
  readonly meter: Meter;
}

/** Says when messages are sent. */
export interface Loop {
  /** Messages that are due and wait for a slot. */
  readonly waiting: number;
  /**
   * Sends until the signal is aborted, or there is nothing more, and waits for what is in flight then.
   * @throws TelemetryError the first failure of the sender; others may still be in flight
   */
  run(ending: AbortSignal): Promise<void>;
}
