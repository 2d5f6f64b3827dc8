import { expect, it } from "vitest";
import { batch } from "../support/batches.ts";
import { IngestHarness } from "../support/ingest.ts";
import { deviceName, shardedIngest } from "../support/shards.ts";

it("a group whose windows are not stored stays in the journal, though every mark shows it", () => {
  const ingest = new IngestHarness();
  const call = ingest.connect("press");
  for (const sequence of [1, 2, 3]) {
    call.batches(batch(sequence, [10 ** sequence]));
    ingest.flush();
  }
  // The marks are wanted now, as by a list of the devices; the windows are not due yet.
  void ingest.flusher.barrier([], true);
  while (ingest.flusher.step());
  expect(ingest.storedDevice("press")?.ackedSequence).toBe(3);
  expect(ingest.storedWindows()).toEqual([]);
  expect([...ingest.store.read()]).toHaveLength(3);
  expect(new IngestHarness(ingest.store).total("press")).toEqual({ count: 3, sum: 1110 });
});

it("a group whose mark is not stored stays in the journal, though its windows are", () => {
  const { ingest, store, send } = shardedIngest(1);
  send(0);
  // The windows are wanted now, as by a query; the marks are not due yet.
  void ingest.flusher.barrier([0], false);
  while (ingest.flusher.step());
  expect(store.positions().get(0)).toBe(store.position);
  expect(ingest.storedDevice(deviceName(0))?.ackedSequence).toBe(0);
  expect([...store.read()]).toHaveLength(1);
});
