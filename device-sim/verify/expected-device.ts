import type { SealedEvent } from "../log/log-event.ts";
import type { LoggedSession } from "./logged-session.ts";
import { type PlainBatch, readBatch } from "./plain-batch.ts";
import { PlainWindows } from "./plain-windows.ts";

/** Samples of a device, by what must have become of them. */
export interface Fates {
  sent: number;
  /** Counted, each of them once. */
  acked: number;
  refused: number;
  /** In gaps that the server has recorded. */
  gaps: number;
  /** Sealed, and not settled: not sent, or not acked. */
  waiting: number;
}

interface SessionPlan {
  readonly session: LoggedSession;
  /** Up to here batches must be settled. */
  readonly mark: number;
  readonly gaps: readonly { readonly first: number; readonly last: number }[];
  readonly refusedWhole: ReadonlySet<number>;
  /** Highest sequence that was read. */
  read: number;
  /**
   * What a session that was taken over had sent and not seen acked. The server does not tell any more how
   * far it came: all batches up to one of them are counted, and none behind it.
   */
  readonly undecided: PlainBatch[];
}

/** What the log lets expect of a device. */
export class ExpectedDevice {
  readonly windows = new PlainWindows();
  readonly fates: Fates = { sent: 0, acked: 0, refused: 0, gaps: 0, waiting: 0 };
  readonly #plans: Map<string, SessionPlan>;
  readonly #currentSpool: string | undefined;

  /** @param current the device's session as the server tells it */
  constructor(sessions: readonly LoggedSession[], current: { spool: string; ackedSequence: number } | undefined) {
    this.#plans = new Map(
      sessions.map((session) => {
        const isCurrent = session.spool === current?.spool;
        const mark = isCurrent ? Math.max(session.acked, current?.ackedSequence ?? 0) : session.acked;
        const whole = [...session.refusals()].filter(({ whole }) => whole).map(({ sequence }) => sequence);
        const gaps = session.settledGaps(mark);
        return [session.spool, { session, mark, gaps, refusedWhole: new Set(whole), read: 0, undecided: [] }];
      }),
    );
    this.#currentSpool = current?.spool;
  }

  add(event: SealedEvent): void {
    const plan = this.#plans.get(event.spool);
    if (plan === undefined || event.sequence <= plan.read) return;
    plan.read = event.sequence;
    const { sequence } = event;
    const batch = readBatch(event, plan.session.metrics);
    this.fates.sent += batch.samples;
    if (plan.gaps.some(({ first, last }) => sequence >= first && sequence <= last)) this.fates.gaps += batch.samples;
    else if (plan.refusedWhole.has(sequence)) this.fates.refused += batch.samples;
    else if (sequence <= plan.mark) this.#count(batch);
    else if (event.spool === this.#currentSpool) this.fates.waiting += batch.samples;
    else plan.undecided.push(batch);
  }

  /** Decides what the log leaves open. @param fits whether the server has as much more than the windows here */
  decide(fits: (batch: PlainBatch) => boolean): void {
    for (const { undecided } of this.#plans.values()) {
      let counted = 0;
      while (counted < undecided.length && fits(undecided[counted])) {
        this.#count(undecided[counted]);
        counted += 1;
      }
      for (const { samples } of undecided.slice(counted)) this.fates.waiting += samples;
    }
  }

  #count(batch: PlainBatch): void {
    for (const sample of batch.finite) this.windows.add(sample);
    this.fates.acked += batch.finite.length;
    this.fates.refused += batch.samples - batch.finite.length;
  }
}
