import { BatchIntake } from "../lib/journal/batch-intake.ts";
import { JournalGroup } from "../lib/journal/journal-records.ts";
import type { JournalPosition, JournalReader } from "../lib/store/store.ts";

/**
 * The journal as the answers of one thread read it. They take turns, a page each, and share what is large: the scratch
 * columns of a batch, and the group that was read last. So memory is bounded by one group, however many clients read,
 * and a client that is slow beside others has its group read again for each page.
 */
export class SampleScan {
  readonly journal: JournalReader;
  readonly intake = new BatchIntake(new Set());
  #latest: { readonly position: JournalPosition; readonly group: JournalGroup } | undefined;

  constructor(journal: JournalReader) {
    this.journal = journal;
  }

  /**
   * @returns undefined when the group has been deleted
   * @throws TelemetryError when it is damaged
   */
  group(position: JournalPosition): JournalGroup | undefined {
    if (this.#latest?.position === position) return this.#latest.group;
    const records = this.journal.readGroup(position);
    if (records === undefined) return undefined;
    const group = new JournalGroup(records);
    this.#latest = { position, group };
    return group;
  }
}
