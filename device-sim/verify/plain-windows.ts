/** Widths of the windows, in milliseconds: 10 s, 1 min, 1 h, 1 d. Said here again, to depend on nobody. */
export const tierWidthsMs = [10_000, 60_000, 3_600_000, 86_400_000] as const;

/** What the samples of one window come to. */
export interface PlainWindow {
  count: number;
  sum: number;
  /** Sum of the values without their signs: what a rounding error of the sum is relative to. */
  magnitude: number;
  /** Whether all values are whole numbers: their sum is exact then. */
  whole: boolean;
  min: number;
  max: number;
  /** The smallest value at the earliest time. */
  first: number;
  firstMs: number;
  /** The largest value at the latest time. */
  last: number;
  lastMs: number;
}

export interface PlainSample {
  readonly metric: string;
  readonly timeMs: number;
  readonly value: number;
}

/**
 * The windows of one device, by the plainest code that can be right: it is what the server's own code is
 * held against.
 */
export class PlainWindows {
  /** By metric, tier and window start. */
  readonly #windows = new Map<string, PlainWindow>();

  add({ metric, timeMs, value }: PlainSample): void {
    for (const widthMs of tierWidthsMs) {
      const key = windowKey(metric, widthMs, Math.floor(timeMs / widthMs) * widthMs);
      const window = this.#windows.get(key);
      if (window === undefined) this.#windows.set(key, windowOf(timeMs, value));
      else addTo(window, timeMs, value);
    }
  }

  get(metric: string, widthMs: number, startMs: number): PlainWindow | undefined {
    return this.#windows.get(windowKey(metric, widthMs, startMs));
  }

  /** The windows of a tier. */
  *ofTier(widthMs: number): Generator<{ metric: string; startMs: number; window: PlainWindow }> {
    for (const [key, window] of this.#windows) {
      const [width, start, ...metric] = key.split(" ");
      if (Number(width) === widthMs) yield { metric: metric.join(" "), startMs: Number(start), window };
    }
  }
}

function windowKey(metric: string, widthMs: number, startMs: number): string {
  return `${widthMs} ${startMs} ${metric}`;
}

function windowOf(timeMs: number, value: number): PlainWindow {
  return {
    count: 1,
    sum: value,
    magnitude: Math.abs(value),
    whole: Number.isInteger(value),
    min: value,
    max: value,
    first: value,
    firstMs: timeMs,
    last: value,
    lastMs: timeMs,
  };
}

function addTo(window: PlainWindow, timeMs: number, value: number): void {
  window.count += 1;
  window.sum += value;
  window.magnitude += Math.abs(value);
  window.whole &&= Number.isInteger(value);
  window.min = Math.min(window.min, value);
  window.max = Math.max(window.max, value);
  if (timeMs < window.firstMs || (timeMs === window.firstMs && value < window.first)) {
    window.first = value;
    window.firstMs = timeMs;
  }
  if (timeMs > window.lastMs || (timeMs === window.lastMs && value > window.last)) {
    window.last = value;
    window.lastMs = timeMs;
  }
}
