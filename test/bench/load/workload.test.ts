import { describe, expect, it } from "vitest";
import { type Cell, cellOf } from "../../../bench/cell.ts";
import { Meter } from "../../../bench/load/meter.ts";
import { Probes } from "../../../bench/load/probes.ts";
import { Workload } from "../../../bench/load/workload.ts";
import { decode } from "./support/decode.ts";
import { HandClock } from "./support/hand-clock.ts";

function workloadOf(chosen: Partial<Cell>) {
  const cell = cellOf({ metrics: 4, batchSamples: 4, ...chosen });
  return { cell, workload: new Workload({ cell, seed: 3, clock: new HandClock() }) };
}

describe("a workload", () => {
  it("numbers the batches of each device from 1, without holes", () => {
    const { workload } = workloadOf({ slots: 3, devices: 10 });
    const sequences = new Map<string, number[]>();
    for (let i = 0; i < 300; i += 1) {
      const slot = i % 3;
      for (const { device, sequence } of workload.take(slot)) {
        expect(workload.slotOf(device)).toBe(slot);
        sequences.set(device.id, [...(sequences.get(device.id) ?? []), sequence]);
      }
      workload.settle(slot);
    }
    expect(sequences.size).toBe(10);
    for (const each of sequences.values()) expect(each).toEqual(each.map((_, i) => i + 1));
    expect(workload.settledBatches.reduce((sum, batches) => sum + batches)).toBe(300);
  });

  it("has the batches of a message from different devices, and all of them take turns", () => {
    const { workload } = workloadOf({ way: "grpc-stream", slots: 2, batchesPerMessage: 4, devices: 11 });
    const sent = new Map<string, number>();
    for (let i = 0; i < 60; i += 1) {
      const message = workload.take(i % 2);
      expect(new Set(message.map(({ device }) => device)).size).toBe(4);
      for (const { device } of message) sent.set(device.id, (sent.get(device.id) ?? 0) + 1);
      workload.settle(i % 2);
    }
    expect([...sent.values()].sort()).toEqual([20, 20, 20, 20, 20, 20, 24, 24, 24, 24, 24]);
  });

  it("has the same message for a slot again until it is settled", () => {
    const { workload } = workloadOf({ slots: 2 });
    const first = workload.take(1);
    expect(workload.take(1)).toBe(first);
    expect(workload.unsettledSlots).toEqual([1]);
    workload.settle(1);
    expect(workload.take(1)[0].sequence).toBe(2);
    expect([...workload.settledBatches].slice(0, 2)).toEqual([0, 1]);
  });

  it("has the body that its expectation is made of", () => {
    const { cell, workload } = workloadOf({ slots: 1, devices: 3 });
    const { all, primer } = workload.bodies;
    for (let i = 0; i < 3 * all.length; i += 1) {
      const [{ device, sequence, bytes }] = workload.take(0);
      const { values } = sequence === 1 ? primer : all[(device.handle - 1 + sequence - 2) % all.length];
      expect(decode(cell, bytes).samples.map(({ value }) => value)).toEqual([...values]);
      workload.settle(0);
    }
  });

  it.each([1, 4])("is primed when each device has settled a batch, %i of them in a message", (batchesPerMessage) => {
    const { workload } = workloadOf({ slots: 2, devices: 11, batchesPerMessage });
    const messages = [0, 1].map((slot) => {
      let count = 0;
      for (; !workload.isPrimed(slot); count += 1) {
        workload.take(slot);
        workload.settle(slot);
      }
      return count;
    });
    expect(messages).toEqual([Math.ceil(6 / batchesPerMessage), Math.ceil(5 / batchesPerMessage)]);
    expect(Math.min(...workload.settledBatches)).toBe(1);
  });

  it("has all batches of its probe, and of no other, end when they were to be sent", () => {
    const clock = new HandClock();
    const probes = new Probes(clock, new Meter(clock, 4));
    const cell = cellOf({ metrics: 4, batchSamples: 8, slots: 2, late: 0.5 });
    const workload = new Workload({ cell, seed: 3, clock, probes });
    for (let i = 0; i < 30; i += 1, clock.ms += 100) {
      const latest = (slot: number, dueMs?: number) => {
        const [{ bytes }] = workload.take(slot, dueMs);
        workload.settle(slot);
        return decode(cell, bytes).samples.at(-1)?.timeMs;
      };
      expect(latest(0, clock.ms - 30)).toBe(clock.ms - 30);
      expect(latest(0)).toBe(clock.ms);
      expect(latest(1, clock.ms - 30)).not.toBe(clock.ms - 30);
    }
  });

  it("gives another trial other spools, so that no sequence is taken for a duplicate", () => {
    const spools = [workloadOf({}), workloadOf({})].map(({ workload }) => workload.devices[0].spoolId);
    expect(spools[0]).not.toEqual(spools[1]);
    expect(spools[0]).toHaveLength(16);
  });
});
