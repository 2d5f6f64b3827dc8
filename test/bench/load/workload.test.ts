import { describe, expect, it } from "vitest";
import { type Cell, cellOf } from "../../../bench/cell.ts";
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
    const { all } = workload.bodies;
    for (let i = 0; i < 3 * all.length; i += 1) {
      const [{ device, sequence, bytes }] = workload.take(0);
      const { values } = all[(device.handle - 1 + sequence - 1) % all.length];
      expect(decode(cell, bytes).samples.map(({ value }) => value)).toEqual([...values]);
      workload.settle(0);
    }
  });

  it("gives another trial other spools, so that no sequence is taken for a duplicate", () => {
    const spools = [workloadOf({}), workloadOf({})].map(({ workload }) => workload.devices[0].spoolId);
    expect(spools[0]).not.toEqual(spools[1]);
    expect(spools[0]).toHaveLength(16);
  });
});
