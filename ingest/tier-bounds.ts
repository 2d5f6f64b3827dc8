import type { TierBounds } from "../lib/aggregate/held-windows.ts";
import { keptFromMs } from "../lib/aggregate/tiers.ts";
import type { AggregateStore } from "../lib/store/store.ts";

/**
 * The windows of each tier that a group changes itself: those that the tier keeps, and, above the finest, those that are
 * rolled up already. Later ones will show it when they are. What no tier above shows yet is kept whatever its age.
 */
export function tierBounds({ tiers, rolledMs }: Pick<AggregateStore, "tiers" | "rolledMs">, nowMs: number) {
  return tiers.map((tier, t): TierBounds => {
    const shownMs = rolledMs[t + 1] ?? Number.POSITIVE_INFINITY;
    return { fromMs: Math.min(keptFromMs(tier, nowMs), shownMs), toMs: rolledMs[t] };
  });
}
