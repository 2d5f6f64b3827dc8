import { expect, it } from "vitest";
import { latenessMsDefault } from "../../lib/base/limits.ts";
import { RangeAnswer } from "../../query/range-answer.ts";
import { batch } from "../support/batches.ts";
import { IngestHarness } from "../support/ingest.ts";

/** The only window of the finest tier, as a query shows it. */
function windowOf({ store, nowMs }: IngestHarness) {
  const range = { selector: { deviceIds: undefined, metricNames: undefined }, widthMs: 10_000, fromMs: 0, toMs: 1e15 };
  const answer = new RangeAnswer(store, { ...range, quantiles: [], groupBy: [], nowMs, latenessMs: latenessMsDefault });
  const { windows } = answer.next(10) ?? {};
  return { count: windows?.counts[0], state: windows?.states[0] };
}

const [final, corrected] = [2, 3];

it.each([
  ["its spool", 1, 2],
  ["a new spool", 2, 1],
])("a sample that comes late from a silent device, by %s, corrects its window", (_, spool, sequence) => {
  const ingest = new IngestHarness();
  const timeMs = ingest.nowMs;
  ingest.connect("press").batches(batch(1, [1], { timeMs }));
  ingest.flush();
  ingest.nowMs += 2 * latenessMsDefault;
  ingest.settle();
  expect(windowOf(ingest)).toEqual({ count: 1, state: final });

  ingest.connect("press", { spool }).batches(batch(sequence, [2], { timeMs }));
  ingest.flush();
  ingest.settle();
  expect(windowOf(ingest)).toEqual({ count: 2, state: corrected });
});
