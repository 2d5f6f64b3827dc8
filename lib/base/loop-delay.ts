import { monitorEventLoopDelay } from "node:perf_hooks";

/** How late the event loop of a thread was, in seconds. */
export interface LoopDelays {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

const resolutionMs = 20;

/** Watches the event loop of the thread that makes it. */
export class LoopDelay {
  readonly #histogram = monitorEventLoopDelay({ resolution: resolutionMs });

  constructor() {
    this.#histogram.enable();
  }

  /** Since the last time it was read. */
  read(): LoopDelays {
    // What is measured is the time between two ticks of a timer.
    const late = (nanoseconds: number) => Math.max(0, nanoseconds / 1e6 - resolutionMs) / 1_000;
    const { max } = this.#histogram;
    const delays = {
      p50: late(this.#histogram.percentile(50)),
      p99: late(this.#histogram.percentile(99)),
      max: late(max),
    };
    this.#histogram.reset();
    return delays;
  }

  close(): void {
    this.#histogram.disable();
  }
}
