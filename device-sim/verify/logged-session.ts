import { TelemetryError } from "../../lib/base/errors.ts";
import type { GapEvent, LogEvent, RefusedEvent } from "../log/log-event.ts";

/** What a log tells of one session, but for the batches themselves. */
export class LoggedSession {
  readonly device: string;
  /** Hexadecimal. */
  readonly spool: string;
  /** Names by handle. */
  readonly metrics = new Map<number, string>();
  readonly #gaps: GapEvent[] = [];
  /** By sequence and reason: one refusal can be told on two calls. */
  readonly #refused = new Map<string, RefusedEvent>();
  lastSealed = 0;
  /** Highest sequence that the sender has seen acked. */
  acked = 0;

  constructor(device: string, spool: string) {
    this.device = device;
    this.spool = spool;
  }

  add(event: LogEvent): void {
    if (event.event === "device") {
      for (const [handle, name] of Object.entries(event.metrics)) this.metrics.set(Number(handle), name);
    } else if (event.event === "sealed") this.#seal(event.sequence);
    else if (event.event === "acked") this.acked = Math.max(this.acked, event.sequence);
    else if (event.event === "refused") this.#refused.set(`${event.sequence} ${event.reason}`, event);
    else this.#gaps.push(event);
  }

  refusals(): Iterable<RefusedEvent> {
    return this.#refused.values();
  }

  /**
   * The gaps that are settled at the server when it has come to a sequence. It takes a gap as a whole, and
   * only one that begins with what it expects: a later gap that begins inside an earlier one shows that the
   * earlier one was not taken, and so does one that was taken and covers it.
   */
  settledGaps(mark: number): GapEvent[] {
    const settled: GapEvent[] = [];
    const later: GapEvent[] = [];
    for (const gap of this.#gaps.toReversed()) {
      const { first, last } = gap;
      const corrected = later.some((other) => other.first > first && other.first <= last);
      const covered = settled.some((other) => other.first <= first && other.last >= last);
      if (last <= mark && !corrected && !covered) settled.push(gap);
      later.push(gap);
    }
    return settled;
  }

  #seal(sequence: number): void {
    // A run that goes on tells again what was not acked: the bytes of a sequence never change.
    if (sequence <= this.lastSealed) return;
    if (sequence !== this.lastSealed + 1) {
      throw new TelemetryError(
        "INVALID_ARGUMENT",
        "LOG_INCOMPLETE",
        `the log of ${this.device} goes from sequence ${this.lastSealed} to ${sequence}; verify needs the log from the ` +
          "spool's first run on",
      );
    }
    this.lastSealed = sequence;
  }
}

/** The sessions of a log, by device, in the order in which they began. */
export async function readSessions(events: AsyncIterable<LogEvent>): Promise<Map<string, LoggedSession[]>> {
  const devices = new Map<string, LoggedSession[]>();
  for await (const event of events) {
    const sessions = devices.get(event.device) ?? [];
    if (sessions.length === 0) devices.set(event.device, sessions);
    let session = sessions.find(({ spool }) => spool === event.spool);
    if (session === undefined) {
      session = new LoggedSession(event.device, event.spool);
      sessions.push(session);
    }
    session.add(event);
  }
  return devices;
}
