import { expect, it } from "vitest";
import { RefusalReason } from "../../proto/gen/telemetry/v1/batch_pb.js";
import { batch, dayMs } from "../support/batches.ts";
import { IngestHarness } from "../support/ingest.ts";

const hourMs = 3_600_000;

it.each([-30 * dayMs, -hourMs, hourMs, 30 * dayMs])(
  "a server's clock that steps by %i ms settles every batch, and counts what is not ahead of it",
  (stepMs) => {
    const ingest = new IngestHarness();
    const call = ingest.connect("press");
    const beganMs = ingest.nowMs;
    call.batches(batch(1, [1], { timeMs: beganMs }));
    ingest.flush();
    ingest.nowMs = beganMs + stepMs;
    call.batches(batch(2, [10], { timeMs: beganMs }));
    ingest.flush();
    const ack = call.take().acks.at(-1);
    expect(ack).toMatchObject({ ackedSequence: 2n });
    const ahead = stepMs < 0;
    expect(ack?.refusals.map(({ reason }) => reason)).toEqual(ahead ? [RefusalReason.TIME_IN_FUTURE] : []);
    expect(ingest.total("press")).toEqual(ahead ? { count: 1, sum: 1 } : { count: 2, sum: 11 });
    ingest.nowMs = beganMs;
    call.batches(batch(3, [100], { timeMs: beganMs }));
    ingest.flush();
    expect(call.take().acks.at(-1)).toMatchObject({ ackedSequence: 3n, refusals: [] });
  },
);

it("counts what a device dated back, and refuses by name what it dated ahead", () => {
  const ingest = new IngestHarness();
  const call = ingest.connect("press");
  for (const [i, timeMs] of [0, -30 * dayMs, hourMs, 0].entries()) {
    call.batches(batch(i + 1, [10 ** i], { timeMs: ingest.nowMs + timeMs }));
  }
  ingest.flush();
  expect(call.take().acks.at(-1)).toMatchObject({
    ackedSequence: 4n,
    refusals: [{ sequence: 3n, reason: RefusalReason.TIME_IN_FUTURE, samples: 1 }],
  });
  expect(ingest.total("press")).toEqual({ count: 3, sum: 1_011 });
});
