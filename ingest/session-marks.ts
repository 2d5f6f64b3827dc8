import type { JournalPosition, Session, SessionMark } from "../lib/store/store.ts";

/** How far sessions have come: what a group moves can be undone, and what only the journal has is kept until stored. */
export class SessionMarks {
  /** Sessions whose stored marks are behind the journal, the longest behind first. */
  readonly #dirty = new Map<Session, { since: JournalPosition; sinceMs: number }>();
  /** As they were before the group. */
  readonly #marks = new Map<Session, SessionMark>();

  /** The mark of a session is about to be moved. */
  touch(session: Session): void {
    if (!this.#marks.has(session)) this.#marks.set(session, markOf(session));
  }

  /** The group is in the journal at this position. */
  commit(position: JournalPosition, nowMs: number): void {
    for (const session of this.#marks.keys()) {
      if (!this.#dirty.has(session)) this.#dirty.set(session, { since: position, sinceMs: nowMs });
    }
    this.#marks.clear();
  }

  /** The group could not be stored. */
  rollback(): void {
    for (const [session, mark] of this.#marks) Object.assign(session, mark);
    this.#marks.clear();
  }

  /** Position of the first group that some stored mark does not show; infinity when all show all. */
  get dirtySince(): JournalPosition {
    for (const { since } of this.#dirty.values()) return since;
    return Number.POSITIVE_INFINITY;
  }

  /** Sessions that have been dirty since `sinceMs` or longer, at most so many. */
  dirty(sinceMs: number, max: number): Session[] {
    const sessions: Session[] = [];
    for (const [session, dirty] of this.#dirty) {
      if (sessions.length === max || dirty.sinceMs > sinceMs) break;
      sessions.push(session);
    }
    return sessions;
  }

  /** The sessions are stored as they are. */
  clean(sessions: readonly Session[]): void {
    for (const session of sessions) this.#dirty.delete(session);
  }

  isDirty(session: Session): boolean {
    return this.#dirty.has(session);
  }

  /** The sessions of devices whose stored marks are behind. @param devices by `Device.id`; undefined: all */
  dirtyOf(devices: ReadonlySet<number> | undefined): Session[] {
    const sessions: Session[] = [];
    for (const session of this.#dirty.keys()) if (devices?.has(session.device) ?? true) sessions.push(session);
    return sessions;
  }
}

export function markOf(session: Session): SessionMark {
  const { ackedSequence, samplesCounted, samplesRefused, samplesLost, batchesLost } = session;
  const { lastSeenAtMs, latestEventMs, latestSampleMs } = session;
  return {
    ackedSequence,
    samplesCounted,
    samplesRefused,
    samplesLost,
    batchesLost,
    lastSeenAtMs,
    latestEventMs,
    latestSampleMs,
  };
}
