import { DirtyWindows } from "../lib/aggregate/dirty-windows.ts";
import { keptFromMs } from "../lib/aggregate/tiers.ts";
import { WindowSet } from "../lib/aggregate/window-set.ts";
import { reach } from "../lib/base/faults.ts";
import { dirtyWindowsMax, trimGroupsMax } from "../lib/base/limits.ts";
import type { AggregateStore, Journal, Session } from "../lib/store/store.ts";
import { BatchIntake } from "./batch-intake.ts";
import { type JournalRecord, readJournalRecords } from "./journal-records.ts";

/**
 * Brings sessions and aggregates to where the journal is, after a crash as after a clean end. Each shard skips what it
 * shows already, each session what it has already settled, so it may itself be cut off and begun again at any point.
 * @returns the number of groups that were read
 */
export function recover(store: AggregateStore & Journal): number {
  const positions = store.positions();
  const dirty = new DirtyWindows(store.loadWindow);
  const sessions = new Map<number, Session>();
  const intake = new BatchIntake();
  let groups = 0;
  for (const { position, records: group } of store.read()) {
    const { bounds, records } = readJournalRecords(group);
    const windows = new WindowSet(store.tiers.map((tier) => tier.widthMs));
    intake.setBounds(bounds);
    for (const record of records) {
      const session = sessions.get(record.session) ?? store.findSession(record.session);
      if (session === undefined) throw new Error(`journal group ${position} names session ${record.session}, unknown`);
      sessions.set(session.id, session);
      settle(session, record, bounds.nowMs);
      if (record.bytes.length === 0) continue;
      intake.read(record.bytes, 0, record.bytes.length, session.handles);
      intake.addTo(windows);
    }
    windows.rollUp();
    const kept = store.tiers.map((tier) => keptFromMs(tier, bounds.nowMs));
    dirty.absorb(windows, position, bounds.nowMs, kept, (shard) => (positions.get(shard) ?? 0) < position);
    groups += 1;
    reach("in-recovery");
    if (dirty.length > dirtyWindowsMax) commitAll(store, dirty, position);
  }
  commitAll(store, dirty, store.position);
  store.commitSessions(sessions.values());
  while (store.trim(store.position, trimGroupsMax) > 0);
  return groups;
}

function settle(session: Session, record: JournalRecord, nowMs: number): void {
  if (record.sequence <= session.ackedSequence) return;
  session.ackedSequence = record.sequence;
  session.samplesCounted += record.counted;
  session.samplesRefused += record.refused;
  session.samplesLost += record.samplesLost;
  session.batchesLost += record.batchesLost;
  session.lastSeenAtMs = nowMs;
}

function commitAll(store: AggregateStore, dirty: DirtyWindows, through: number): void {
  for (const { shard, tiers } of [...dirty.shards]) {
    store.commit(shard, through, tiers);
    reach("in-recovery");
    dirty.clean(shard);
  }
}
