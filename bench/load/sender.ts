/** The client's side of a trial: carries the workload's messages in one way and one encoding. */
export interface Sender {
  /** Connects, and registers where the way has registrations. */
  open(): Promise<void>;
  /**
   * Makes the next message of a slot and sends it. Resolves when all of it is settled; the slot is not used meanwhile.
   * @param dueMs when it was to be sent (`Clock.elapsedMs`); undefined: now
   * @throws TelemetryError when it is refused
   */
  send(slot: number, dueMs?: number): Promise<void>;
  /** Nothing is in flight any more. */
  close(): Promise<void>;
}
