import type { WindowTable } from "./window-table.ts";

/** When a device was last heard, and how far its samples have come. */
export interface DeviceProgress {
  /** Server's time of its latest batch; undefined: never. */
  readonly lastSeenAtMs: number | undefined;
  /**
   * The latest time of its samples, but never later than their receipt, and no earlier than the end of its latest
   * silence; undefined: it has had none.
   */
  readonly latestEventMs: number | undefined;
}

/**
 * No sample before this time is expected of a device any more: its latest sample less the lateness that is allowed. While
 * the device has been silent for longer than that, the server's clock stands in for it; and since what was final then
 * stays final, a device that comes back goes on from there.
 * @returns milliseconds since 1970-01-01T00:00:00Z; -infinity for a device without samples
 */
export function watermarkOf(progress: DeviceProgress, nowMs: number, latenessMs: number): number {
  return (reachedBy(progress, nowMs, latenessMs) ?? Number.NEGATIVE_INFINITY) - latenessMs;
}

/** The latest event of a device after samples up to `latestMs` (-infinity: none) came in at `nowMs`. */
export function latestEventAfter(progress: DeviceProgress, latestMs: number, nowMs: number, latenessMs: number) {
  const reachedMs = reachedBy(progress, nowMs, latenessMs);
  if (latestMs === Number.NEGATIVE_INFINITY) return reachedMs;
  return Math.max(reachedMs ?? Number.NEGATIVE_INFINITY, Math.min(latestMs, nowMs));
}

/** The latest time of its samples after some up to `latestMs` (-infinity: none) came in at `nowMs`. */
export function latestSampleAfter(before: { latestSampleMs: number | undefined }, latestMs: number, nowMs: number) {
  if (latestMs === Number.NEGATIVE_INFINITY) return before.latestSampleMs;
  return Math.max(before.latestSampleMs ?? Number.NEGATIVE_INFINITY, Math.min(nowMs, latestMs));
}

function reachedBy({ lastSeenAtMs, latestEventMs }: DeviceProgress, nowMs: number, latenessMs: number) {
  const silent = lastSeenAtMs !== undefined && nowMs - lastSeenAtMs > latenessMs;
  return silent && latestEventMs !== undefined ? Math.max(nowMs, latestEventMs) : latestEventMs;
}

/** More samples are expected; none are; or some came all the same, after it had been final. */
export const windowStates = ["provisional", "final", "corrected"] as const;
export type WindowState = (typeof windowStates)[number];

/** As it stands in `WindowTable.states`. */
export const provisionalState = windowStates.indexOf("provisional") + 1;

/**
 * @param changedMs the highest watermark under which a sample of the window came
 * @param watermarkMs of its device, now
 */
export function windowState(endMs: number, changedMs: number, watermarkMs: number): WindowState {
  if (changedMs >= endMs) return "corrected";
  return watermarkMs >= endMs ? "final" : "provisional";
}

/** Writes the state of window `at` of a tier. @param watermarkMs of its device, now */
export function setState(table: WindowTable, at: number, widthMs: number, watermarkMs: number): void {
  const state = windowState(table.starts[at] + widthMs, table.watermarksMs[at], watermarkMs);
  table.states[at] = windowStates.indexOf(state) + 1;
}
