import { createHash } from "node:crypto";
import { defaultTiers } from "../../lib/aggregate/tiers.ts";
import { TelemetryError } from "../../lib/base/errors.ts";
import { Prng } from "../../lib/base/prng.ts";
import type { Table } from "../../lib/wire/batch-encoder.ts";
import type { Window } from "../../lib/wire/window-frame.ts";
import type { Cell } from "../cell.ts";
import { type BodyFormat, bodyFormatOf } from "./body-format.ts";
import { addWindow, type ContentDifferences, compareContent, seriesKey } from "./content-check.ts";
import { type Device, devicesOf, metricName } from "./device.ts";
import { addContent, noContent, type SeriesContent } from "./expected-content.ts";
import { BatchWriter, type MessageSource, type Outgoing, PendingMessages } from "./message-source.ts";
import type { GeneratorPlan } from "./messages.ts";
import { openSender } from "./open-sender.ts";
import { readWindows } from "./read-windows.ts";

const prefix = "check-";
const [deviceCount, metrics, times] = [2, 10, 100];
/** So that all but the finest tier have windows of several samples. */
const stepMs = 6_000;
const valueBound = 10_000;
const quantiles = [0.5, 0.99];

/**
 * Sends a fixed set of samples in the plan's own way and encoding, reads what comes of it, and holds it against what was
 * sent: digests tell that ways differ, not that all of them are wrong.
 * @returns a digest of all its windows in all tiers, equal for equal seeds and base times, however the samples were sent
 * @throws TelemetryError also when count, sum, minimum or maximum of a series are not what was sent
 */
export async function checkDigest(plan: GeneratorPlan): Promise<string> {
  // Both devices share the messages where a message has room for several batches.
  const slots = plan.cell.batchesPerMessage > 1 ? 1 : deviceCount;
  const cell = { ...plan.cell, slots, connections: Math.min(plan.cell.connections, slots), metrics };
  const source = new CheckSource(plan, cell);
  const sender = await openSender({ cell, addresses: plan.addresses, source });
  try {
    const work = async (slot: number) => {
      while (source.hasMore(slot)) await sender.send(slot);
    };
    await Promise.all(Array.from({ length: slots }, (_, slot) => work(slot)));
  } finally {
    await sender.close();
  }
  return await readDigest(plan, source.content);
}

/**
 * Of the devices of the check, as the server has them now.
 * @param expected what was sent, by `seriesKey`: each tier holds all of it
 * @throws TelemetryError when it does not
 */
export async function readDigest(
  plan: Pick<GeneratorPlan, "addresses">,
  expected: ReadonlyMap<string, SeriesContent>,
): Promise<string> {
  const rows: string[] = [];
  for (const { widthMs: tierMs } of defaultTiers) {
    const found = new Map<string, SeriesContent>();
    for await (const window of readWindows(plan, { prefix, tierMs, aggregates: [], quantiles })) {
      rows.push(row(window));
      addWindow(found, window);
    }
    expectNoDifference(tierMs, compareContent(expected, found));
  }
  return createHash("sha256").update(rows.sort().join("\n")).digest("hex");
}

function expectNoDifference(tierMs: number, { lost, duplicated, seriesWrong }: ContentDifferences): void {
  if (seriesWrong === 0) return;
  const message = `the windows of ${tierMs} ms of the check's devices are not what was sent: ${seriesWrong} series are wrong, ${lost} samples are lost, ${duplicated} are there too often; no figure of this way counts`;
  throw new TelemetryError("FAILED_PRECONDITION", "CONTENT_WRONG", message);
}

function row({ deviceId, metric, tierMs, startMs, count, sum, min, max, first, last, quantiles }: Window): string {
  return [deviceId, metric, tierMs, startMs, count, sum, min, max, first, last, ...quantiles].join(" ");
}

/** The batches of the check's devices, one behind the other. */
export class CheckSource implements MessageSource {
  readonly devices: readonly Device[];
  /** All that it sends, by `seriesKey`. */
  readonly content: ReadonlyMap<string, SeriesContent>;
  readonly #slots: number;
  readonly #queues: readonly Outgoing[][];
  readonly #pending: PendingMessages;

  constructor({ cell: { devices }, seed, baseTimeMs }: GeneratorPlan, cell: Cell) {
    this.#slots = cell.slots;
    this.devices = devicesOf({ prefix, count: deviceCount, metrics, seed, handlesTaken: devices });
    this.content = new Map(this.devices.flatMap((device) => contentOf(device, valuesOf(device, seed))));
    const format = bodyFormatOf(cell);
    const writer = new BatchWriter(format);
    this.#queues = this.devices.map((device) => batchesOf(device, { writer, format, seed, baseTimeMs, cell }));
    this.#pending = new PendingMessages((slot) => this.#make(slot));
  }

  slotOf(device: Device): number {
    return this.devices.indexOf(device) % this.#slots;
  }

  hasMore(slot: number): boolean {
    return this.#queuesOf(slot).some((queue) => queue.length > 0);
  }

  take(slot: number): readonly Outgoing[] {
    return this.#pending.take(slot);
  }

  settle(slot: number): void {
    this.#pending.settle(slot);
  }

  #make(slot: number): Outgoing[] {
    return this.#queuesOf(slot).flatMap((queue) => queue.splice(0, 1));
  }

  #queuesOf(slot: number): Outgoing[][] {
    return this.#queues.filter((_, i) => i % this.#slots === slot);
  }
}

interface BatchesOptions {
  readonly writer: BatchWriter;
  readonly format: BodyFormat;
  readonly seed: number;
  readonly baseTimeMs: number;
  readonly cell: Cell;
}

function batchesOf(device: Device, { writer, format, seed, baseTimeMs, cell }: BatchesOptions): Outgoing[] {
  const tables = tablesOf(valuesOf(device, seed), baseTimeMs - times * stepMs, cell.batchSamples);
  return tables.map((table, i) => writer.write(device, i + 1, format.tail(table)));
}

/** All metrics of one time behind those of the time before: whole numbers, so that their sums are exact. */
function valuesOf(device: Device, seed: number): Float64Array {
  const prng = new Prng(seed, device.id);
  return Float64Array.from({ length: metrics * times }, () => prng.below(valueBound));
}

function contentOf(device: Device, values: Float64Array): [string, SeriesContent][] {
  return Array.from({ length: metrics }, (_, m) => {
    const content = noContent();
    for (let i = m; i < values.length; i += metrics) {
      addContent(content, { count: 1, sum: values[i], min: values[i], max: values[i] });
    }
    return [seriesKey(device.id, metricName(m + 1)), content];
  });
}

/**
 * Cuts samples, all metrics of one time behind those of the time before, into tables of at most `samplesMax`: several
 * times whole, or a part of one time.
 */
function tablesOf(values: Float64Array, fromMs: number, samplesMax: number): Table[] {
  const tables: Table[] = [];
  const rows = Math.max(1, Math.floor(samplesMax / metrics));
  const width = Math.min(metrics, samplesMax);
  for (let t = 0; t < times; t += rows) {
    const height = Math.min(rows, times - t);
    for (let m = 0; m < metrics; m += width) {
      const handles = Array.from({ length: Math.min(width, metrics - m) }, (_, i) => m + i + 1);
      tables.push({
        metricHandles: handles,
        baseTimeMs: fromMs + t * stepMs,
        offsetsMs: Array.from({ length: height }, (_, i) => i * stepMs),
        values: Float64Array.from({ length: handles.length * height }, (_, i) => {
          const [metric, time] = [m + Math.floor(i / height), t + (i % height)];
          return values[time * metrics + metric];
        }),
      });
    }
  }
  return tables;
}
