import { type HeldShard, HeldWindows } from "../lib/aggregate/held-windows.ts";
import { latestEventAfter, latestSampleAfter } from "../lib/aggregate/watermark.ts";
import { WindowSet } from "../lib/aggregate/window-set.ts";
import { reach } from "../lib/base/faults.ts";
import { heldWindowsMax, stepRowsMax } from "../lib/base/limits.ts";
import { BatchIntake } from "../lib/journal/batch-intake.ts";
import { type GroupBounds, JournalGroup, type JournalRecord } from "../lib/journal/journal-records.ts";
import type { AggregateStore, Journal, JournalPosition, Session } from "../lib/store/store.ts";
import { tierBounds } from "./tier-bounds.ts";

/**
 * Brings sessions and aggregates to where the journal is, after a crash as after a clean end. Each shard and each window
 * skips what it shows already, each session what it has already settled, so it may itself be cut off and begun again at
 * any point. Groups that are settled are not read: the journal may keep any number of them. None is deleted, so that the
 * start does not wait for it.
 * @returns the number of groups that were read
 */
export function recover(store: AggregateStore & Journal): number {
  const positions = store.positions();
  const held = new HeldWindows(store.loadWindow, store.latestStart());
  const sessions = new Map<number, Session>();
  const intake = new BatchIntake(new Set(store.counterSeries()));
  let groups = 0;
  for (const { position, records } of store.read()) {
    const group = new JournalGroup(records);
    const { bounds } = group;
    const windows = new WindowSet(store.tiers.map((tier) => tier.widthMs));
    intake.setBounds(bounds);
    for (const record of group.records()) {
      const session = sessions.get(record.session) ?? store.findSession(record.session);
      if (session === undefined) throw new Error(`journal group ${position} names session ${record.session}, unknown`);
      sessions.set(session.id, session);
      let latestMs = Number.NEGATIVE_INFINITY;
      if (record.bytes.length > 0) {
        intake.read(record.bytes, 0, record.bytes.length, session.handles);
        ({ latestMs } = intake.addTo(windows, record.watermarkMs));
      }
      settle(session, record, latestMs, bounds);
    }
    windows.rollUp((t, _, startMs) => startMs < store.rolledMs[t]);
    const isBehind = (shard: number) => (positions.get(shard) ?? 0) < position;
    held.absorb(windows, position, 0, 0, tierBounds(store, bounds.nowMs), isBehind);
    groups += 1;
    reach("in-recovery");
    if (held.length > heldWindowsMax) commitAll(store, held, position);
  }
  commitAll(store, held, store.position);
  store.commitSessions(sessions.values());
  store.settle(store.position);
  return groups;
}

function settle(session: Session, record: JournalRecord, latestMs: number, { nowMs, latenessMs }: GroupBounds): void {
  if (record.sequence <= session.ackedSequence) return;
  session.ackedSequence = record.sequence;
  session.samplesCounted += record.counted;
  session.samplesRefused += record.refused;
  session.samplesLost += record.samplesLost;
  session.batchesLost += record.batchesLost;
  session.latestEventMs = latestEventAfter(session, latestMs, nowMs, latenessMs);
  session.latestSampleMs = latestSampleAfter(session, latestMs, nowMs);
  session.lastSeenAtMs = nowMs;
}

function commitAll(store: AggregateStore, held: HeldWindows, position: JournalPosition): void {
  for (const shard of [...held.shards]) commitShard(store, held, shard, position);
}

function commitShard(store: AggregateStore, held: HeldWindows, shard: HeldShard, position: JournalPosition): void {
  for (let more = true; more; ) {
    const due = held.due(shard, () => true, stepRowsMax);
    store.commit(shard.shard, Math.min(position, due.since - 1), due.parts);
    reach("in-recovery");
    held.stored(shard, due, Number.POSITIVE_INFINITY);
    more = due.more;
  }
  held.release(shard, Number.POSITIVE_INFINITY);
}
