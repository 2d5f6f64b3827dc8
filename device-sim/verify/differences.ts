import type { Window } from "../../lib/wire/window-frame.ts";
import type { ExpectedDevice } from "./expected-device.ts";
import type { PlainWindow } from "./plain-windows.ts";

/** Something that is not as it must be. */
export interface Difference {
  readonly device: string;
  /** Unset, as are tier and window: it is about the device as a whole. */
  readonly metric?: string;
  readonly tierMs?: number;
  readonly windowMs?: number;
  readonly field: string;
  readonly expected: number | string;
  readonly found: number | string;
}

/** How far a sum of doubles may be off, relative to the sum of the values without their signs. */
const sumTolerance = 1e-9;

/** The differences of one tier, and the samples in it that are missing, and that are too many. */
export class TierComparison {
  readonly differences: Difference[] = [];
  readonly tierMs: number;
  lost = 0;
  twice = 0;
  counted = 0;
  windows = 0;

  constructor(tierMs: number) {
    this.tierMs = tierMs;
  }

  compare(device: string, { windows: expected }: Pick<ExpectedDevice, "windows">, found: readonly Window[]): void {
    const seen = new Set<PlainWindow>();
    for (const window of found) {
      this.counted += window.count;
      this.windows += 1;
      const plain = expected.get(window.metric, this.tierMs, window.startMs);
      if (plain !== undefined) seen.add(plain);
      this.#count(window.count - (plain?.count ?? 0));
      this.#add(device, window.metric, window.startMs, fieldsOff(plain, window));
    }
    for (const { metric, startMs, window } of expected.ofTier(this.tierMs)) {
      if (seen.has(window)) continue;
      this.windows += 1;
      this.#count(-window.count);
      this.#add(device, metric, startMs, [["count", window.count, 0]]);
    }
  }

  #count(more: number): void {
    if (more > 0) this.twice += more;
    else this.lost -= more;
  }

  #add(device: string, metric: string, windowMs: number, fields: readonly [string, number, number][]): void {
    for (const [field, expected, found] of fields) {
      this.differences.push({ device, metric, tierMs: this.tierMs, windowMs, field, expected, found });
    }
  }
}

function fieldsOff(plain: PlainWindow | undefined, window: Window): [string, number, number][] {
  if (plain === undefined) return [["count", 0, window.count]];
  const off: [string, number, number][] = [];
  for (const field of ["count", "min", "max", "first", "last"] as const) {
    if (plain[field] !== window[field]) off.push([field, plain[field], window[field]]);
  }
  const tolerance = plain.whole ? 0 : plain.magnitude * sumTolerance;
  if (!(Math.abs(plain.sum - window.sum) <= tolerance)) off.push(["sum", plain.sum, window.sum]);
  return off;
}
