import type { Difference } from "./differences.ts";
import type { ExpectedDevice } from "./expected-device.ts";
import type { LoggedSession } from "./logged-session.ts";
import type { ServerDevice } from "./server-view.ts";

/** What the server tells of a device's session, against the log. */
export function compareSession(
  device: string,
  { fates }: ExpectedDevice,
  sessions: readonly LoggedSession[],
  served: ServerDevice | undefined,
): Difference[] {
  if (served === undefined) {
    // A device that has sealed nothing that was acked need not be known.
    return fates.acked === 0 ? [] : [{ device, field: "device", expected: "known", found: "not known" }];
  }
  const current = sessions.find(({ spool }) => spool === served.spool);
  if (current === undefined) {
    const expected = sessions.at(-1)?.spool ?? "";
    return [{ device, field: "spool", expected, found: served.spool }];
  }
  const checks: [string, number, number][] = [
    ["samples counted", fates.acked, served.samplesCounted],
    ["acked sequence", clamp(served.ackedSequence, current.acked, current.lastSealed), served.ackedSequence],
    ...lossChecks(sessions, served),
  ];
  return checks
    .filter(([, expected, found]) => expected !== found)
    .map(([field, expected, found]) => ({ device, field, expected, found }));
}

/** Samples that the server has refused one by one, for other reasons than the value itself. */
export function unattributed(sessions: readonly LoggedSession[]): number {
  const refusals = sessions.flatMap((session) => [...session.refusals()]);
  const open = refusals.filter(({ whole, reason }) => !whole && reason !== "INFINITE_VALUE");
  return open.reduce((sum, { samples }) => sum + samples, 0);
}

/** Of a session that was taken over it is not known which of its last gaps were settled. */
function lossChecks(sessions: readonly LoggedSession[], served: ServerDevice): [string, number, number][] {
  if (sessions.length > 1) return [];
  const gaps = sessions.flatMap((session) => session.settledGaps(served.ackedSequence));
  return [
    ["batches lost", gaps.reduce((sum, { first, last }) => sum + last - first + 1, 0), served.batchesLost],
    ["samples lost", gaps.reduce((sum, { samples }) => sum + samples, 0), served.samplesLost],
  ];
}

function clamp(value: number, min: number, max: number): number {
  return Math.min(Math.max(value, min), max);
}
