/** What of GetStatus grows, and when it was asked. */
export interface StatusCounts {
  /** By a clock that never steps. */
  readonly atMs: number;
  /** Since the server was ready. */
  readonly uptimeMs: number;
  readonly counted: number;
  readonly refused: number;
  readonly groups: number;
}

export interface StatusRates {
  readonly samplesPerSecond: number;
  readonly refusedPerSecond: number;
  readonly groupsPerSecond: number;
}

/**
 * Growth between two answers.
 * @returns undefined when the server has started again in between, or they are of one moment: nothing is known then
 */
export function statusRates(before: StatusCounts | undefined, now: StatusCounts): StatusRates | undefined {
  if (before === undefined) return undefined;
  const seconds = (now.atMs - before.atMs) / 1_000;
  const isSameRun = now.uptimeMs >= before.uptimeMs && now.counted >= before.counted && now.refused >= before.refused;
  if (seconds <= 0 || !isSameRun) return undefined;
  return {
    samplesPerSecond: (now.counted - before.counted) / seconds,
    refusedPerSecond: (now.refused - before.refused) / seconds,
    groupsPerSecond: (now.groups - before.groups) / seconds,
  };
}
