import type { WindowPart } from "../../lib/aggregate/held-windows.ts";
import type { Shard } from "../../lib/aggregate/shard.ts";
import type { JournalPosition, Session } from "../../lib/store/store.ts";
import { FailingStore } from "./failing-store.ts";

/** What was written to the tables, or trimmed from the journal, in one transaction. */
export type Write =
  | { readonly kind: "shard"; readonly shard: Shard; readonly through: JournalPosition }
  | { readonly kind: "sessions"; readonly sessions: number }
  | { readonly kind: "settle"; readonly through: JournalPosition }
  | { readonly kind: "trim"; readonly groups: number }
  | { readonly kind: "checkpoint" };

/** Writes down what is asked of it, in the order in which it comes; what fails is not written down. */
export class RecordingStore extends FailingStore {
  /** What a checkpoint says: readers keep the log from being emptied. */
  logHeld = false;
  #writes: Write[] = [];

  /** What was written since it was asked last. */
  take(): Write[] {
    const writes = this.#writes;
    this.#writes = [];
    return writes;
  }

  override commit(shard: Shard, through: JournalPosition, parts: readonly WindowPart[]): void {
    super.commit(shard, through, parts);
    this.#writes.push({ kind: "shard", shard, through });
  }

  override commitSessions(sessions: Iterable<Session>): void {
    const all = [...sessions];
    super.commitSessions(all);
    if (all.length > 0) this.#writes.push({ kind: "sessions", sessions: all.length });
  }

  override settle(through: JournalPosition): void {
    const before = this.settled;
    super.settle(through);
    if (this.settled > before) this.#writes.push({ kind: "settle", through });
  }

  override trim(nowMs: number, groupsMax: number): number {
    const groups = super.trim(nowMs, groupsMax);
    if (groups > 0) this.#writes.push({ kind: "trim", groups });
    return groups;
  }

  override checkpoint(): boolean {
    this.#writes.push({ kind: "checkpoint" });
    return this.logHeld;
  }
}
