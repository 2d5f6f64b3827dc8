import type { Clock } from "../../lib/base/clock.ts";
import { Prng } from "../../lib/base/prng.ts";
import type { Table } from "../../lib/wire/batch-encoder.ts";
import type { Cell } from "../cell.ts";
import type { BodyFormat } from "./body-format.ts";

/** Samples of one batch, without the device, the sequence and the day: those of many batches. */
export interface Body {
  /** Ascending from any one, and around. */
  readonly metricHandles: readonly number[];
  /** Ascending, each below `spanMs`. */
  readonly offsetsMs: readonly number[];
  /** One metric after the other: whole numbers, so that their sums are exact. */
  readonly values: Float64Array;
  /** How much earlier than the present they lie. */
  readonly lateMs: number;
}

/** The finest windows of the server. */
const spanMs = 10_000;
const lateMsMax = 5 * 60_000;
/**
 * Each metric has a level, and its values lie a little above it, in eighths: as JSON they take the five characters of a
 * reading such as 21.53, and their sums are exact. Whole numbers would be shorter as JSON than readings are. Values from
 * all over the range would fill hundreds of a sketch's buckets, which readings of one sensor do not: then the sketches
 * would be most of what a server does, and hide what is compared.
 */
const [levelMin, levelMax, eighths] = [10, 98, 16];
/** In memory, all bodies together: some MiB at most. */
const ringSamples = 16_384;
const [bodiesMin, bodiesMax] = [4, 32];
/** Where some bodies are late, their number is a multiple of it: so shares in twentieths are exact in batches of every size. */
const lateShares = 20;

/**
 * A few bodies, equal for equal seeds and cells, that all batches of a trial are made of: encoded ahead, so that both
 * sides of a comparison pay for sending only. They lie in the window of the server's finest tier that is open now, some
 * of them up to 10 s ahead of the clock (a server takes 10 min): each window is written while it is open, and stored
 * once, as those of real devices are. So the ring is encoded again every 10 s: at most some 20,000 samples, and 100,000
 * where batches of 5,000 are late.
 */
export class Bodies {
  readonly all: readonly Body[];
  /** What each device sends first, before anything is measured: one sample of each of its metrics. */
  readonly primer: Body;
  readonly #format: BodyFormat;
  readonly #clock: Clock;
  readonly #tails = new Map<Body, { readonly windowMs: number; readonly bytes: Uint8Array }>();

  constructor(
    cell: Pick<Cell, "batchSamples" | "metrics" | "late">,
    { seed, format, clock }: { readonly seed: number; readonly format: BodyFormat; readonly clock: Clock },
  ) {
    this.all = bodiesOf(cell, seed);
    [this.primer] = bodiesOf({ ...cell, batchSamples: cell.metrics, late: 0 }, seed);
    this.#format = format;
    this.#clock = clock;
  }

  /** The encoded samples of a body. They stay as they are; a later call may return others. */
  tail(body: Body): Uint8Array {
    const windowMs = Math.floor(this.#clock.nowMs() / spanMs) * spanMs;
    const encoded = this.#tails.get(body);
    if (encoded?.windowMs === windowMs) return encoded.bytes;
    const bytes = this.#encode(body, windowMs - body.lateMs);
    this.#tails.set(body, { windowMs, bytes });
    return bytes;
  }

  /** The same samples, the last of them at this time: for whoever measures how fresh they are. */
  freshTail(body: Body, lastMs: number): Uint8Array {
    return this.#encode(body, lastMs - (body.offsetsMs.at(-1) ?? 0));
  }

  #encode({ metricHandles, offsetsMs, values }: Body, baseTimeMs: number): Uint8Array {
    const table: Table = { metricHandles, baseTimeMs, offsetsMs, values };
    return this.#format.tail(table);
  }
}

/**
 * M metrics x T times, just `batchSamples` of them: M is the largest divisor that is not above `metrics`. Where it is
 * below, each body goes on with the metrics behind those of the one before, so that together they have all.
 */
function bodiesOf({ batchSamples, metrics, late }: Pick<Cell, "batchSamples" | "metrics" | "late">, seed: number) {
  const prng = new Prng(seed, "bodies");
  const levels = Array.from({ length: metrics }, () => levelMin + prng.below(levelMax - levelMin));
  const width = Array.from({ length: metrics }, (_, i) => metrics - i).find((m) => batchSamples % m === 0) ?? 1;
  const times = batchSamples / width;
  const bodies = Math.max(
    Math.ceil(metrics / width),
    Math.min(bodiesMax, Math.max(bodiesMin, Math.floor(ringSamples / batchSamples))),
  );
  const length = late > 0 ? Math.ceil(bodies / lateShares) * lateShares : bodies;
  return Array.from({ length }, (_, b): Body => {
    const isLate = Math.floor((b + 1) * late) > Math.floor(b * late);
    const phase = prng.uniform();
    const metricHandles = Array.from({ length: width }, (_, m) => ((b * width + m) % metrics) + 1);
    return {
      metricHandles,
      offsetsMs: Array.from({ length: times }, (_, t) => Math.floor(((t + phase) * spanMs) / times)),
      values: Float64Array.from(
        { length: batchSamples },
        (_, i) => levels[metricHandles[Math.floor(i / times)] - 1] + prng.below(eighths) / 8,
      ),
      lateMs: isLate ? Math.round(prng.uniform() * lateMsMax) : 0,
    };
  });
}
