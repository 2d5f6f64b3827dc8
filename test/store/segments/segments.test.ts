import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it, onTestFinished } from "vitest";
import { headBytes, writeHead } from "../../../lib/store/segments/group-head.ts";
import { headerBytes } from "../../../lib/store/segments/segment-header.ts";
import { SegmentReader } from "../../../lib/store/segments/segment-reader.ts";
import { SegmentWriter } from "../../../lib/store/segments/segment-writer.ts";
import { type GroupSpan, type JournalPosition, noSpan } from "../../../lib/store/store.ts";

const everything = Number.MAX_SAFE_INTEGER;

function makeDir(): string {
  const dir = mkdtempSync(join(tmpdir(), "tidemark-segments-"));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

function openWriter(dir: string, segmentBytes?: number): SegmentWriter {
  const writer = new SegmentWriter(dir, "process", segmentBytes);
  onTestFinished(() => writer.close());
  return writer;
}

function openReader(dir: string): SegmentReader {
  const reader = new SegmentReader(dir);
  onTestFinished(() => reader.close());
  return reader;
}

/** What a start finds: positions and records of the groups that are whole. */
function found(dir: string): [JournalPosition, string][] {
  const reader = openReader(dir);
  return [...reader.groups(0, everything)].flatMap(({ position }): [JournalPosition, string][] => {
    const records = reader.records(position);
    return records === undefined ? [] : [[position, Buffer.from(records).toString("latin1")]];
  });
}

const segmentNames = (dir: string) => readdirSync(dir).filter((name) => name.endsWith(".segment"));

interface Group {
  readonly position: JournalPosition;
  readonly records: Uint8Array;
  readonly span: GroupSpan;
}

describe("segments", () => {
  it("hold what a list holds, however they are appended to, opened again, released and read", () => {
    const anySpan = fc
      .record({ fromMs: fc.integer({ min: -50, max: 50 }), lengthMs: fc.nat(20), has: fc.boolean() })
      .map(({ fromMs, lengthMs, has }) => (has ? { receivedMs: 7, fromMs, toMs: fromMs + lengthMs } : noSpan));
    const anyAction = fc.oneof(
      { weight: 6, arbitrary: fc.record({ gap: fc.constantFrom(1, 1, 1, 3), bytes: fc.nat(400), span: anySpan }) },
      { weight: 1, arbitrary: fc.constant("open again" as const) },
      { weight: 1, arbitrary: fc.record({ releaseShare: fc.double({ min: 0, max: 1, noNaN: true }) }) },
      {
        weight: 3,
        arbitrary: fc.record({ after: fc.nat(60), count: fc.nat(30), fromMs: fc.integer({ min: -60, max: 60 }) }),
      },
    );
    fc.assert(
      fc.property(fc.array(anyAction, { maxLength: 60 }), (actions) => {
        const dir = makeDir();
        let writer = openWriter(dir, 1_000);
        const reader = openReader(dir);
        let groups: Group[] = [];
        let position = 0;
        let released = 0;
        const compare = (after: number, throughMax: number, times?: { fromMs: number; toMs: number }) => {
          const through = Math.min(throughMax, position);
          const expected = groups.filter(
            ({ position: each, span: { fromMs = Number.NaN, toMs = Number.NaN } }) =>
              each > after && each <= through && (times === undefined || (fromMs < times.toMs && toMs >= times.fromMs)),
          );
          const read = [...reader.groups(after, through, times)];
          expect(read.map((head) => head.position)).toEqual(expected.map((group) => group.position));
          for (const [i, { receivedMs, fromMs, toMs, length }] of read.entries()) {
            expect({ receivedMs, fromMs, toMs }).toEqual(expected[i].span);
            expect(length).toBe(expected[i].records.length);
          }
        };
        for (const action of actions) {
          if (action === "open again") {
            writer.close();
            writer = openWriter(dir, 1_000);
          } else if ("gap" in action) {
            position += action.gap;
            const records = new Uint8Array(action.bytes).fill(position);
            groups.push({ position, records, span: action.span });
            writer.append(position, records, action.span);
          } else if ("releaseShare" in action) {
            released = Math.max(released, Math.floor(position * action.releaseShare));
            writer.release(released);
            groups = groups.filter((group) => group.position > released);
            expect(writer.hasThrough(released)).toBe(false);
          } else {
            const after = Math.max(released, action.after);
            compare(after, after + action.count);
            compare(after, after + action.count, { fromMs: action.fromMs, toMs: action.fromMs + 15 });
          }
        }
        compare(released, everything);
        for (let each = released + 1; each <= position; each += 1) {
          const records = reader.records(each);
          const expected = groups.find((group) => group.position === each)?.records;
          expect(records && Uint8Array.from(records)).toEqual(expected);
        }
        const positions = found(dir).map(([each]) => each);
        expect(positions.filter((each) => each > released)).toEqual(groups.map((group) => group.position));
      }),
      { numRuns: 60 },
    );
  });

  it("are released as a whole, the last one never, and as many files stay to be written over as there were", () => {
    const dir = makeDir();
    const writer = openWriter(dir, 1_000);
    for (let position = 1; position <= 9; position += 1) writer.append(position, new Uint8Array(400), noSpan);
    expect(segmentNames(dir)).toHaveLength(3);
    writer.release(3);
    expect(segmentNames(dir)).toHaveLength(2);
    expect(found(dir).map(([position]) => position)).toEqual([4, 5, 6, 7, 8, 9]);
    writer.release(9);
    expect(found(dir).map(([position]) => position)).toEqual([7, 8, 9]);
    expect(readdirSync(dir)).toHaveLength(3);
    // Nothing more is released: what the load needs has not become less.
    writer.release(9);
    expect(readdirSync(dir)).toHaveLength(3);
    for (let position = 10; position <= 18; position += 1) writer.append(position, new Uint8Array(400), noSpan);
    expect(readdirSync(dir)).toHaveLength(4);
    expect(found(dir).map(([position]) => position)).toEqual([7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18]);
    writer.clear();
    expect(found(dir)).toEqual([]);
  });

  it("show nothing of what their file had before, not even what a device has made to look like a group", () => {
    const dir = makeDir();
    const writer = openWriter(dir, 1);
    const evil = Buffer.alloc(headBytes + 4, "evil");
    writeHead(evil, 0, 1_000, noSpan, evil.subarray(headBytes));
    const forged = Buffer.alloc(1_000);
    for (let at = 0; at + evil.length < forged.length; at += evil.length) evil.copy(forged, at);
    writer.append(1, forged, noSpan);
    writer.append(2, Buffer.from("two"), noSpan);
    writer.append(3, Buffer.from("three"), noSpan);
    writer.release(2);
    // The second and the third file were written last: the first one is used again behind them.
    for (const position of [4, 5]) writer.append(position, new Uint8Array(evil.length * position), noSpan);
    const reused = segmentNames(dir).map((name) => readFileSync(join(dir, name)));
    const isForged = (bytes: Buffer) => bytes.includes("evil", headerBytes + headBytes + evil.length);
    expect(reused.filter(isForged)).toHaveLength(1);
    expect(found(dir).map(([position]) => position)).toEqual([3, 4, 5]);
  });

  it("have no group of which anything is missing or was changed, and all before it", () => {
    const dir = makeDir();
    const writer = openWriter(dir);
    for (const [i, text] of ["one", "two", "three"].entries()) writer.append(i + 1, Buffer.from(text), noSpan);
    writer.close();
    const [name = ""] = segmentNames(dir);
    const bytes = readFileSync(join(dir, name));
    const ends = [3, 6, 11].map((length, i) => headerBytes + (i + 1) * headBytes + length);
    expect(bytes).toHaveLength(ends[2]);
    const whole = (end: number) => ends.filter((each) => each <= end).length;
    const copy = makeDir();
    const positions = () => found(copy).map(([position, text]) => [position, text]);
    const all = [
      [1, "one"],
      [2, "two"],
      [3, "three"],
    ];
    for (let length = 0; length <= bytes.length; length += 1) {
      cpSync(dir, copy, { recursive: true });
      truncateSync(join(copy, name), length);
      expect(positions()).toEqual(all.slice(0, whole(length)));
    }
    for (let at = 0; at < bytes.length; at += 1) {
      const changed = Buffer.from(bytes);
      changed[at] ^= 0x10;
      writeFileSync(join(copy, name), changed);
      const left = positions();
      const hit = whole(at);
      // What is behind a group whose records have changed is still found: whoever needs all sees the hole.
      expect(left).toEqual(all.filter((group) => left.some(([position]) => position === group[0])));
      expect(left).not.toContainEqual(at < headerBytes ? all[0] : all[hit]);
      expect(left.slice(0, at < headerBytes ? 0 : hit)).toEqual(all.slice(0, at < headerBytes ? 0 : hit));
    }
  });

  it("go on in a new one after a start, since what was cut off may be at the end of the last", () => {
    const dir = makeDir();
    const first = openWriter(dir);
    first.append(1, Buffer.from("one"), noSpan);
    first.append(2, Buffer.from("two"), noSpan);
    first.close();
    const [name = ""] = segmentNames(dir);
    truncateSync(join(dir, name), statSync(join(dir, name)).size - 1);
    const second = openWriter(dir);
    second.append(2, Buffer.from("again"), noSpan);
    second.append(3, Buffer.from("three"), noSpan);
    expect(found(dir)).toEqual([
      [1, "one"],
      [2, "again"],
      [3, "three"],
    ]);
    second.release(1);
    expect(found(dir).map(([position]) => position)).toEqual([2, 3]);
  });

  it("begin the same one again when its only group was cut off", () => {
    const dir = makeDir();
    const first = openWriter(dir);
    first.append(1, Buffer.from("a long group"), noSpan);
    first.close();
    truncateSync(join(dir, segmentNames(dir)[0]), headerBytes + headBytes + 3);
    expect(found(dir)).toEqual([]);
    const second = openWriter(dir);
    second.append(1, Buffer.from("short"), noSpan);
    expect(found(dir)).toEqual([[1, "short"]]);
    expect(segmentNames(dir)).toHaveLength(1);
    expect(second.hasThrough(1)).toBe(false);
  });
});
