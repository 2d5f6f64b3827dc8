import type { JournalPosition } from "../store.ts";
import type { GroupHead } from "./group-head.ts";
import { openSegment, type Segment } from "./segment.ts";
import { listSegments, segmentFile } from "./segment-names.ts";

/** `fromMs` <= time < `toMs`. */
export interface TimeSpan {
  readonly fromMs: number;
  readonly toMs: number;
}

/**
 * Looks whether what a segment has, and what lies elsewhere, is all there is with `after` < position < `before`.
 * @throws when it is not
 */
export type CheckGroups = (segment: Segment | undefined, after: JournalPosition, before: JournalPosition) => void;

/** Of so many segments, the heads are held: answers that take turns are at different ones. */
const openMax = 4;

/**
 * Finds and reads the groups in the segments of a directory, while a `SegmentWriter` appends and releases. Of what is in
 * the segments it holds the heads of a few.
 */
export class SegmentReader {
  readonly #dir: string;
  /** Of each segment, ascending. Some may be gone by now. */
  #firsts: readonly JournalPosition[] = [];
  /** Groups up to here are in the segments of `#firsts`, or in none. */
  #listed: JournalPosition = 0;
  /** The latest used one first. */
  readonly #open: Segment[] = [];
  /** Times of the samples of whole segments: one that cannot have what is looked for is not opened. */
  readonly #spans = new Map<JournalPosition, TimeSpan>();
  readonly #check: CheckGroups;

  /** @param check of each segment that is read, whether groups are missing in it */
  constructor(dir: string, check: CheckGroups = () => {}) {
    this.#dir = dir;
    this.#check = check;
  }

  /**
   * Groups with `after` < position <= `through`, in order; of a span of time, those that may have samples in it.
   * @param through no later one than has been appended
   */
  *groups(after: JournalPosition, through: JournalPosition, span?: TimeSpan): Iterable<GroupHead> {
    for (const { head } of this.#find(after, through, span)) yield head;
  }

  /** @returns undefined when the group is not there, or not whole */
  records(position: JournalPosition): Uint8Array | undefined {
    for (const { segment, head } of this.#find(position - 1, position)) return segment.records(head);
    return undefined;
  }

  close(): void {
    for (const segment of this.#open.splice(0)) segment.close();
  }

  *#find(after: JournalPosition, through: JournalPosition, span?: TimeSpan): Iterable<Found> {
    if (through <= after) return;
    this.list(through);
    const firsts = this.#firsts;
    const from = firsts.findLastIndex((first) => first <= after + 1);
    for (let s = Math.max(0, from); s < firsts.length && firsts[s] <= through; s += 1) {
      const known = this.#spans.get(firsts[s]);
      if (span !== undefined && known !== undefined && !overlaps(known, span)) continue;
      const segment = this.#segment(firsts[s], firsts[s + 1], through);
      if (segment === undefined) continue;
      for (let i = segment.indexAfter(after); i < segment.heads.length; i += 1) {
        const head = segment.heads[i];
        if (head.position > through) return;
        if (span === undefined || overlaps(timesOf(head), span)) yield { segment, head };
      }
    }
  }

  /** Looks which segments there are, if that is not known of one that has groups up to here. */
  list(through: JournalPosition): void {
    if (through <= this.#listed) return;
    this.#firsts = listSegments(this.#dir);
    this.#listed = through;
    for (const first of this.#spans.keys()) if (first < this.#firsts[0]) this.#spans.delete(first);
  }

  /** @param next the one after it; undefined: it is the last, and may have grown */
  #segment(first: JournalPosition, next: JournalPosition | undefined, through: JournalPosition): Segment | undefined {
    // Nothing behind `through`: what was cut off there has its position again in the next segment.
    const before = next ?? through + 1;
    const segment = this.#openSegment(first);
    const checked = segment?.checked ?? first - 1;
    if (before - 1 > checked) {
      segment?.extend(before);
      this.#check(segment, checked, before);
      if (segment !== undefined) segment.checked = before - 1;
    }
    if (segment !== undefined && next !== undefined && !this.#spans.has(first)) {
      this.#spans.set(first, spanOf(segment.heads));
    }
    return segment;
  }

  /** @returns undefined when it is there no more */
  #openSegment(first: JournalPosition): Segment | undefined {
    const at = this.#open.findIndex((each) => each.first === first);
    const [found] = at < 0 ? [openSegment(segmentFile(this.#dir, first), first)] : this.#open.splice(at, 1);
    if (found === undefined) return undefined;
    this.#open.unshift(found);
    for (const segment of this.#open.splice(openMax)) segment.close();
    return found;
  }
}

interface Found {
  readonly segment: Segment;
  readonly head: GroupHead;
}

/** Of a group without samples that count: empty. */
function timesOf({ fromMs = Number.POSITIVE_INFINITY, toMs = Number.NEGATIVE_INFINITY }: GroupHead): TimeSpan {
  // The latest time is one of them.
  return { fromMs, toMs: toMs + 1 };
}

function spanOf(heads: readonly GroupHead[]): TimeSpan {
  const times = heads.map(timesOf);
  return {
    fromMs: times.reduce((least, { fromMs }) => Math.min(least, fromMs), Number.POSITIVE_INFINITY),
    toMs: times.reduce((most, { toMs }) => Math.max(most, toMs), Number.NEGATIVE_INFINITY),
  };
}

function overlaps(one: TimeSpan, other: TimeSpan): boolean {
  return one.fromMs < other.toMs && other.fromMs < one.toMs;
}
