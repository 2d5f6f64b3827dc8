/** The time of day, and the time that has passed. Passed as an argument, so that tests can turn it. */
export interface Clock {
  /** Milliseconds since 1970-01-01T00:00:00Z; can step in either direction. */
  nowMs(): number;
  /** Milliseconds since some start; never steps. */
  elapsedMs(): number;
}

export const systemClock: Clock = { nowMs: () => Date.now(), elapsedMs: () => performance.now() };
