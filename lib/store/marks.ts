import type { StandingMark } from "./registry.ts";
import type { DeviceRow, Session } from "./store.ts";

/**
 * A device with how far one of its sessions has come. What a session counts only ever grows, so the larger of what is
 * stored and what is told is right, whichever of the two was read first.
 */
export function foldMark(row: DeviceRow, stored: Session, told: StandingMark): DeviceRow {
  const more = (of: "samplesCounted" | "samplesRefused" | "samplesLost" | "batchesLost") =>
    row[of] + Math.max(0, told[of] - stored[of]);
  return {
    ...row,
    ackedSequence: told.id === row.session ? Math.max(row.ackedSequence, told.ackedSequence) : row.ackedSequence,
    samplesCounted: more("samplesCounted"),
    samplesRefused: more("samplesRefused"),
    samplesLost: more("samplesLost"),
    batchesLost: more("batchesLost"),
    lastSeenAtMs: latest(row.lastSeenAtMs, told.lastSeenAtMs),
    latestEventMs: latest(row.latestEventMs, told.latestEventMs),
    latestSampleMs: latest(row.latestSampleMs, told.latestSampleMs),
  };
}

/** The later of two times, of which each may never have been. */
export function latest(a: number | undefined, b: number | undefined): number | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return Math.max(a, b);
}
