import { formatDuration } from "../base/duration.ts";

/** A width of windows that is kept, and for how long. */
export interface Tier {
  /** Milliseconds. Windows start at whole multiples of it since 1970-01-01T00:00:00Z. */
  readonly widthMs: number;
  /** Windows older than this are deleted. Undefined: never. */
  readonly retentionMs?: number | undefined;
}

/** 10 s, 1 min, 1 h and 1 d, finest first; each width divides the next, so that windows nest. */
export const defaultTiers: readonly Tier[] = [
  { widthMs: 10_000 },
  { widthMs: 60_000 },
  { widthMs: 3_600_000 },
  { widthMs: 86_400_000 },
];

export function tierName(tier: Pick<Tier, "widthMs">): string {
  return formatDuration(tier.widthMs);
}

export function formatTiers(tiers: readonly Tier[]): string {
  return tiers.map(tierName).join(",");
}

/** The start of the window that contains a time. */
export function windowStart(timeMs: number, widthMs: number): number {
  return Math.floor(timeMs / widthMs) * widthMs;
}

/** The start of the oldest window that a tier keeps. */
export function keptFromMs(tier: Tier, nowMs: number): number {
  return tier.retentionMs === undefined
    ? Number.NEGATIVE_INFINITY
    : windowStart(nowMs - tier.retentionMs, tier.widthMs);
}
