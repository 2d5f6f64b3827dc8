import type { Clock } from "../../../../lib/base/clock.ts";

/** Stands still until it is moved. */
export class HandClock implements Clock {
  ms: number;

  constructor(ms = Date.UTC(2026, 0, 15, 12, 0, 4)) {
    this.ms = ms;
  }

  nowMs(): number {
    return this.ms;
  }

  elapsedMs(): number {
    return this.ms;
  }
}
