import { describe, expect, it } from "vitest";
import { LiveBuffer } from "../../../query/dashboard/src/state/live-buffer.ts";

describe("a live view", () => {
  it("shows the latest rows, oldest first", () => {
    const buffer = new LiveBuffer<number>(3);
    buffer.push([1, 2]);
    buffer.push([3, 4]);
    expect(buffer.shown).toEqual([2, 3, 4]);
    buffer.push([5, 6, 7, 8, 9]);
    expect(buffer.shown).toEqual([7, 8, 9]);
  });

  it("stands still while paused, and then has what came meanwhile", () => {
    const buffer = new LiveBuffer<number>(4);
    buffer.push([1]);
    buffer.pause();
    const before = buffer.shown;
    buffer.push([2, 3]);
    expect(buffer.shown).toBe(before);
    expect([buffer.isPaused, buffer.waiting, buffer.passed]).toEqual([true, 2, 0]);
    buffer.resume();
    expect(buffer.shown).toEqual([1, 2, 3]);
    expect([buffer.isPaused, buffer.waiting]).toEqual([false, 0]);
  });

  it("keeps no more than its bound while paused, and counts the rest", () => {
    const buffer = new LiveBuffer<number>(2);
    buffer.pause();
    for (let i = 1; i <= 1_000; i += 1) buffer.push([i]);
    expect([buffer.waiting, buffer.passed]).toEqual([2, 998]);
    buffer.resume();
    expect(buffer.shown).toEqual([999, 1_000]);
    expect(buffer.passed).toBe(0);
  });

  it("goes on from a pause within a pause once", () => {
    const buffer = new LiveBuffer<number>(2);
    buffer.pause();
    buffer.push([1]);
    buffer.pause();
    buffer.resume();
    buffer.resume();
    expect(buffer.shown).toEqual([1]);
  });
});
