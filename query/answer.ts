import { windowStart } from "../lib/aggregate/tiers.ts";
import type { OpenRequest, Revision } from "../lib/store/store.ts";
import type { AnswerRequest } from "./range-answer.ts";
import type { ReadingRange } from "./reader.ts";
import type { QueryOptions } from "./service.ts";

/** A range that shows everything that was acked before it was asked for. */
export interface Answer {
  readonly reading: ReadingRange;
  /** It shows all groups up to this one. */
  readonly revision: Revision;
  /** And none of later ones. */
  readonly exact: boolean;
}

type AnswerOptions = Pick<QueryOptions, "reader" | "barrier" | "openWindows">;

/** Something was stored between copy and snapshot: rarely, since storing waits for the snapshot. */
const attemptsMax = 3;

/**
 * Begins to read a range: what the writer has not stored of the selection is copied, and put over a snapshot of the
 * tables. A selection with too much to copy has it stored first.
 */
export async function openAnswer(request: AnswerRequest, options: AnswerOptions, signal: AbortSignal): Promise<Answer> {
  const giveBack = await options.reader.turn(signal);
  try {
    const answer = await beginAnswer(request, options);
    const { reading } = answer;
    const close = () => {
      reading.close();
      giveBack();
    };
    return { ...answer, reading: { ...reading, close } };
  } catch (error) {
    giveBack();
    throw error;
  }
}

/** The same for those who do not wait for a turn among the queries. */
export async function beginAnswer(
  request: AnswerRequest,
  { reader, barrier, openWindows }: AnswerOptions,
): Promise<Answer> {
  const selection = await reader.call("select", request.selector);
  const { widthMs } = request;
  const span: OpenRequest = {
    ...selection,
    widthMs,
    // With the window before, from which counters grow, and the whole of the last one.
    fromMs: windowStart(request.fromMs, widthMs) - widthMs,
    toMs: windowStart(request.toMs - 1, widthMs) + widthMs,
  };
  for (let attempt = 1; ; attempt += 1) {
    const copied = await openWindows.copy(span);
    if (copied === undefined) break;
    const { hold, ...open } = copied;
    const reading = await reader.openRange(request, selection, open).finally(() => openWindows.release(hold));
    const { exact } = reading.start;
    if (exact || attempt === attemptsMax) return { reading, revision: open.revision, exact };
    reading.close();
  }
  // The marks of the sessions too: states rest on them.
  const revision = await barrier(request.selector, true);
  return { reading: await reader.openRange(request, selection, undefined), revision, exact: false };
}
