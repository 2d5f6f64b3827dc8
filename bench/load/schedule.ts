import { Prng } from "../../lib/base/prng.ts";

/** How messages come in an open loop: whether or not earlier ones have been acked. */
export const arrivals = ["constant", "poisson", "step", "ramp"] as const;
export type Arrival = (typeof arrivals)[number];

export interface ScheduleOptions {
  readonly arrival: Arrival;
  /** Messages per second, the mean over `durationMs` for `constant` and `poisson`, the end of `ramp` and `step`. */
  readonly perSecond: number;
  readonly durationMs: number;
  /** `ramp`: from nothing to `perSecond` in so long, then constant. */
  readonly rampMs?: number;
  /** `step`: half of `perSecond` until then, all of it from then on. */
  readonly stepAtMs?: number;
  readonly seed?: number;
}

/**
 * Intended times of sending, in milliseconds after the start, ascending. They are made before the first message is sent
 * and depend on nothing that the server does: a server that stalls is charged with every message that was due meanwhile
 * (Gil Tene, "How NOT to Measure Latency": coordinated omission).
 */
export function scheduleOf(options: ScheduleOptions): Float64Array {
  const { arrival, durationMs, perSecond, rampMs = durationMs, stepAtMs = durationMs / 2, seed = 1 } = options;
  const perMs = perSecond / 1_000;
  if (arrival === "poisson") return poisson(perMs, durationMs, new Prng(seed, "arrivals"));
  // Messages due after t milliseconds; message i is due when it reaches i.
  const shapes = {
    constant: { due: perMs * durationMs, timeOf: (i: number) => i / perMs },
    step: stepShape(perMs, durationMs, stepAtMs),
    ramp: rampShape(perMs, durationMs, rampMs),
  };
  const { due, timeOf } = shapes[arrival];
  return Float64Array.from({ length: Math.floor(due + 1e-9) }, (_, i) => timeOf(i));
}

export interface Shape {
  /** Messages in all. */
  readonly due: number;
  /** When message `i`, from 0, is due. */
  readonly timeOf: (i: number) => number;
}

function stepShape(perMs: number, durationMs: number, stepAtMs: number): Shape {
  const before = (perMs / 2) * stepAtMs;
  return {
    due: before + perMs * (durationMs - stepAtMs),
    timeOf: (i) => (i < before ? (2 * i) / perMs : stepAtMs + (i - before) / perMs),
  };
}

/**
 * The rate grows linearly, so that the messages due grow with the square of the time.
 * @param perMs messages per millisecond from the end of the ramp on
 * @param rampMs 0: none
 */
export function rampShape(perMs: number, durationMs: number, rampMs: number): Shape {
  const inRamp = (perMs * rampMs) / 2;
  const after = Math.max(0, durationMs - rampMs);
  const part = Math.min(1, durationMs / rampMs);
  return {
    due: inRamp * part * part + perMs * after,
    timeOf: (i) => (i < inRamp ? Math.sqrt((2 * rampMs * i) / perMs) : rampMs + (i - inRamp) / perMs),
  };
}

/** Exponential gaps: `-ln(1 - u) / rate`. */
function poisson(perMs: number, durationMs: number, prng: Prng): Float64Array {
  const times: number[] = [];
  for (let at = 0; ; ) {
    at += -Math.log(1 - prng.uniform()) / perMs;
    if (at >= durationMs) return Float64Array.from(times);
    times.push(at);
  }
}
