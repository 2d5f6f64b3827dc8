import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { joinMessages, MessageSplitter } from "../../lib/rpc/message-splitter.ts";

const bytesMax = 1_000;

/** Cuts bytes at these places. */
function pieces(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const places = [...new Set([0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length])].sort((a, b) => a - b);
  return places.slice(1).map((end, i) => bytes.subarray(places[i], end));
}

function messagesOf(splitter: MessageSplitter, piece: Buffer): number[][] {
  const messages: number[][] = [];
  splitter.add(piece);
  for (let next = splitter.next(); next !== undefined; next = splitter.next()) messages.push([...next]);
  return messages;
}

/** A message that claims to be of a length. */
function head(length: number, flag = 0): Buffer {
  const bytes = Buffer.alloc(5);
  bytes[0] = flag;
  bytes.writeUInt32BE(length, 1);
  return bytes;
}

describe("a splitter", () => {
  it("finds the messages that were joined, in whatever pieces they come", () => {
    const message = fc.uint8Array({ maxLength: 40 });
    fc.assert(
      fc.property(fc.array(message, { maxLength: 12 }), fc.array(fc.nat(), { maxLength: 30 }), (messages, cuts) => {
        const splitter = new MessageSplitter(bytesMax);
        const found = pieces(joinMessages(messages), cuts).flatMap((piece) => messagesOf(splitter, piece));
        expect(found).toEqual(messages.map((each) => [...each]));
        expect(splitter.isInside).toBe(false);
      }),
    );
  });

  it("gives a message that lies in one piece without a copy", () => {
    const piece = joinMessages([Uint8Array.of(1, 2, 3)]);
    const splitter = new MessageSplitter(bytesMax);
    splitter.add(piece);
    expect(splitter.next()?.buffer).toBe(piece.buffer);
  });

  it("says when a message has begun and not ended", () => {
    const splitter = new MessageSplitter(bytesMax);
    expect(messagesOf(splitter, head(2).subarray(0, 3))).toEqual([]);
    expect(splitter.isInside).toBe(true);
    expect(messagesOf(splitter, head(2).subarray(3))).toEqual([]);
    expect(messagesOf(splitter, Buffer.of(7))).toEqual([]);
    expect(splitter.isInside).toBe(true);
    expect(messagesOf(splitter, Buffer.of(8))).toEqual([[7, 8]]);
    expect(splitter.isInside).toBe(false);
  });

  it("takes the longest message, and refuses a longer one by its head", () => {
    const splitter = new MessageSplitter(bytesMax);
    expect(messagesOf(splitter, joinMessages([new Uint8Array(bytesMax)]))).toHaveLength(1);
    expect(() => messagesOf(splitter, head(bytesMax + 1))).toThrow(
      "a message has 1001 bytes, the limit is 1000; send smaller messages",
    );
    const cut = new MessageSplitter(bytesMax);
    messagesOf(cut, head(bytesMax + 1).subarray(0, 4));
    expect(() => messagesOf(cut, head(bytesMax + 1).subarray(4))).toThrow("the limit is 1000");
  });

  it("refuses a message that says it is compressed", () => {
    expect(() => messagesOf(new MessageSplitter(bytesMax), head(0, 1))).toThrow("it is compressed");
  });
});
