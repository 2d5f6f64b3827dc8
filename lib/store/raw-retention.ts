/** For how long groups stay in the journal when they are settled, so that their samples can be read back. */
export interface RawRetention {
  /** Since their receipt, in milliseconds; infinity: no bound. */
  readonly durationMs: number;
  /** Of all groups together; infinity: no bound. */
  readonly bytesMax: number;
}

/**
 * Whether the oldest group is over one of the bounds.
 * @param bytes of all groups, the oldest included
 */
export function isOver(
  { durationMs, bytesMax }: RawRetention,
  receivedMs: number,
  bytes: number,
  nowMs: number,
): boolean {
  return receivedMs < nowMs - durationMs || bytes > bytesMax;
}
