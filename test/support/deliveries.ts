import fc from "fast-check";
import type { OracleSample } from "./oracle.ts";

/** Samples, and how they may arrive: in any order, in any batches, some batches again. */

export interface DeliveredBatch {
  readonly device: string;
  /** From 1, without holes; a batch that comes again has the sequence it had. */
  readonly sequence: number;
  readonly samples: readonly OracleSample[];
}

export interface AnySampleOptions {
  readonly devicesMax?: number;
  readonly metrics?: readonly string[];
  readonly value?: fc.Arbitrary<number>;
  readonly timeMs?: fc.Arbitrary<number>;
}

/** Whole numbers, so that sums are exact in any order, at few times, so that many are equal or share a window. */
export function anyOracleSample(options: AnySampleOptions = {}): fc.Arbitrary<OracleSample> {
  const { devicesMax = 2, metrics = ["temperature", "energy"] } = options;
  const { value = fc.oneof(fc.integer({ min: 0, max: 5 }), fc.integer({ min: -1e6, max: 1e6 })) } = options;
  const edges = fc.constantFrom(-86_400_001, -60_000, -10_000, -1, 0, 1, 9_999, 10_000, 59_999, 60_000, 3_600_000);
  const { timeMs = fc.oneof(edges, fc.integer({ min: 0, max: 200_000 })) } = options;
  const device = fc.integer({ min: 1, max: devicesMax }).map((i) => `device-${i}`);
  return fc.record({ device, metric: fc.constantFrom(...metrics), timeMs, value });
}

/** One way in which the samples of one or many devices may arrive. */
export function anyDelivery(samples: readonly OracleSample[]): fc.Arbitrary<readonly DeliveredBatch[]> {
  const devices = [...Map.groupBy(samples, ({ device }) => device).values()];
  return fc
    .tuple(...devices.map(anyBatches))
    .chain((batches) => anyTurns(batches))
    .chain((sent) => anyRepeats(sent));
}

/** The samples that count of what was delivered: those of the first batch with each sequence. */
export function deliveredOnce(delivery: readonly DeliveredBatch[]): OracleSample[] {
  const settled = new Map(
    delivery.toReversed().map((batch) => [JSON.stringify([batch.device, batch.sequence]), batch] as const),
  );
  return [...settled.values()].flatMap((batch) => batch.samples);
}

/** One device's samples in any order, cut anywhere. */
function anyBatches(samples: readonly OracleSample[]): fc.Arbitrary<DeliveredBatch[]> {
  const { device } = samples[0];
  const cuts = fc.array(fc.boolean(), { minLength: samples.length, maxLength: samples.length });
  return fc.tuple(anyOrder(samples), cuts).map(([shuffled, cutAt]) => {
    const parts: OracleSample[][] = [];
    for (const [i, sample] of shuffled.entries()) {
      if (i === 0 || cutAt[i]) parts.push([]);
      parts[parts.length - 1].push(sample);
    }
    return parts.map((part, i) => ({ device, sequence: i + 1, samples: part }));
  });
}

/** The devices take turns in any way; each keeps the order of its sequences. */
function anyTurns(batches: readonly (readonly DeliveredBatch[])[]): fc.Arbitrary<DeliveredBatch[]> {
  const turns = batches.flatMap((ofDevice, i) => ofDevice.map(() => i));
  return anyOrder(turns).map((order) => {
    const sent = batches.map(() => 0);
    return order.map((i) => {
      sent[i] += 1;
      return batches[i][sent[i] - 1];
    });
  });
}

/** Some batches come again, at once or later. */
function anyRepeats(sent: readonly DeliveredBatch[]): fc.Arbitrary<DeliveredBatch[]> {
  if (sent.length === 0) return fc.constant([]);
  const repeat = fc.record({ of: fc.nat({ max: sent.length - 1 }), later: fc.nat({ max: sent.length }) });
  return fc.array(repeat, { maxLength: 5 }).map((repeats) => {
    const delivery = sent.map((batch, i) => ({ at: i, batch }));
    // Halves, so that a repeat is behind the batch at whose place it comes.
    for (const { of, later } of repeats) delivery.push({ at: of + later + 0.5, batch: sent[of] });
    return delivery.sort((a, b) => a.at - b.at).map(({ batch }) => batch);
  });
}

function anyOrder<T>(items: readonly T[]): fc.Arbitrary<T[]> {
  return fc.shuffledSubarray([...items], { minLength: items.length, maxLength: items.length });
}
