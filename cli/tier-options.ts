import { formatTiers, type Tier, tierName } from "../lib/aggregate/tiers.ts";
import { formatDuration, parseDuration } from "../lib/base/duration.ts";
import { invalidField } from "../lib/base/errors.ts";
import { latenessMsDefault } from "../lib/base/limits.ts";
import { setting } from "./options.ts";

/** How long each tier keeps its windows, in milliseconds, by name. */
export type Retention = ReadonlyMap<string, number>;

export const tiersSetting = () =>
  setting("--tiers <widths>", "widths of the windows, finest first (default: 10s,1m,1h,1d)").argParser(tiers);
export const retentionSetting = () =>
  setting("--retention <tier=duration,...>", "delete windows older than this, per tier (default: keep all)").argParser(
    parseRetention,
  );
export const latenessSetting = () =>
  setting("--lateness <duration>", "how late a sample may be before its window counts as final")
    .argParser((text: string) => parseDuration(text, "--lateness"))
    .default(latenessMsDefault, "30s");

const tiersMax = 8;

/** `10s,1m,1h,1d`. */
function tiers(text: string): readonly Tier[] {
  const widthsMs = text.split(",").map((part) => parseDuration(part, "--tiers"));
  if (widthsMs.length > tiersMax) {
    throw invalidField("--tiers", `has ${widthsMs.length} widths, the limit is ${tiersMax}`, "leave some out");
  }
  for (const [i, widthMs] of widthsMs.entries()) {
    const below = widthsMs[i - 1];
    if (widthMs < 1_000 || widthMs > 7 * 86_400_000) {
      throw invalidField("--tiers", `has ${formatDuration(widthMs)}`, "choose widths from 1s to 7d");
    }
    if (below !== undefined && (widthMs <= below || widthMs % below !== 0)) {
      throw invalidField(
        "--tiers",
        `has ${formatDuration(widthMs)} after ${formatDuration(below)}`,
        "write the finest first, each a multiple of the one before, such as 10s,1m,1h,1d",
      );
    }
  }
  return widthsMs.map((widthMs) => ({ widthMs }));
}

/** `10s=2d,1m=30d`. */
export function parseRetention(text: string): Retention {
  const kept = new Map<string, number>();
  for (const part of text.split(",")) {
    const [name = "", keep, ...rest] = part.split("=");
    if (keep === undefined || rest.length > 0 || kept.has(name)) {
      throw invalidField("--retention", `has ${JSON.stringify(part)}`, "write TIER=DURATION once per tier");
    }
    kept.set(name, parseDuration(keep, "--retention"));
  }
  return kept;
}

/** For people, in one line. */
export function describeTiers(tiers: readonly Tier[], latenessMs: number): string {
  const names = tiers.map((tier) => {
    return tier.retentionMs === undefined
      ? tierName(tier)
      : `${tierName(tier)} for ${formatDuration(tier.retentionMs)}`;
  });
  return `${names.join(", ")}; lateness ${formatDuration(latenessMs)}`;
}

/**
 * Tiers with their retention.
 * @throws TelemetryError when a tier would lose windows before the tier above shows them
 */
export function keptTiers(tiers: readonly Tier[], kept: Retention = new Map(), latenessMs: number): readonly Tier[] {
  for (const name of kept.keys()) {
    if (tiers.some((tier) => tierName(tier) === name)) continue;
    throw invalidField("--retention", `has the tier ${JSON.stringify(name)}`, `the tiers are ${formatTiers(tiers)}`);
  }
  for (const [t, tier] of tiers.entries()) {
    const retentionMs = kept.get(tierName(tier));
    const above = tiers[t + 1];
    if (retentionMs === undefined || above === undefined) continue;
    // A window of the tier above is made when it has been over for the lateness, and a little later.
    const leastMs = 2 * above.widthMs + latenessMs;
    if (retentionMs < leastMs) {
      throw invalidField(
        "--retention",
        `keeps ${tierName(tier)} for ${formatDuration(retentionMs)}, but ${tierName(above)} is made from it when its ` +
          "window is over",
        `keep it for ${formatDuration(leastMs)} at least`,
      );
    }
  }
  return tiers.map((tier) => ({ ...tier, retentionMs: kept.get(tierName(tier)) }));
}
