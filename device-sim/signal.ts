import type { Prng } from "../lib/base/prng.ts";

/** One metric of a simulated device. */
export interface Signal {
  readonly name: string;
  readonly kind: "gauge" | "counter";
  /** UCUM code. */
  readonly unit: string;
  readonly description: string;
  /** Makes the generator of one device: values at growing times. */
  start(prng: Prng): (timeMs: number) => number;
}

const dayMs = 86_400_000;

/** A value that wanders and is drawn back to its mean (an Ornstein-Uhlenbeck process, one step per call). */
function walk(prng: Prng, mean: number, step: number, pull: number): () => number {
  let value = mean + prng.normal() * step;
  return () => {
    value += (mean - value) * pull + prng.normal() * step;
    return value;
  };
}

/** The height of the sun, roughly: -1 at 03:00, 1 at 15:00 UTC, moved by `shiftMs`. */
function daily(timeMs: number, shiftMs: number): number {
  return Math.sin(((timeMs + shiftMs) / dayMs - 0.375) * 2 * Math.PI);
}

/** A total that grows by about `rate` a call, and starts again at zero with the device, rarely. */
function counter(prng: Prng, rate: number, resetOdds: number): () => number {
  let total = Math.floor(prng.uniform() * 100_000);
  return () => {
    if (prng.uniform() < resetOdds) total = 0;
    total += Math.floor(prng.uniform() * 2 * rate);
    return total;
  };
}

const signals: readonly Signal[] = [
  {
    name: "temperature",
    kind: "gauge",
    unit: "Cel",
    description: "Air temperature: a daily cycle with weather on top",
    start(prng) {
      const mean = 12 + prng.uniform() * 10;
      const shiftMs = prng.uniform() * 2 * 3_600_000;
      const weather = walk(prng, 0, 0.05, 0.002);
      return (timeMs) => mean + 6 * daily(timeMs, shiftMs) + weather() + prng.normal() * 0.1;
    },
  },
  {
    name: "humidity",
    kind: "gauge",
    unit: "%",
    description: "Relative humidity: high at night",
    start(prng) {
      const weather = walk(prng, 60, 0.2, 0.005);
      return (timeMs) => Math.max(5, Math.min(100, weather() - 15 * daily(timeMs, 0) + prng.normal() * 0.5));
    },
  },
  {
    name: "pressure",
    kind: "gauge",
    unit: "hPa",
    description: "Air pressure: a slow random walk",
    start(prng) {
      return walk(prng, 1013, 0.02, 0.0005);
    },
  },
  {
    name: "vibration",
    kind: "gauge",
    unit: "mm/s",
    description: "Vibration: noise, with bursts when something is loose",
    start(prng) {
      let burst = 0;
      return () => {
        burst = prng.uniform() < 0.002 ? 10 : burst * 0.95;
        return Math.abs(prng.normal()) * (0.5 + burst);
      };
    },
  },
  {
    name: "battery",
    kind: "gauge",
    unit: "%",
    description: "Battery: falls, and is charged by day",
    start(prng) {
      let level = 40 + prng.uniform() * 60;
      return (timeMs) => {
        level = Math.max(1, Math.min(100, level + (daily(timeMs, 0) > 0.2 ? 0.01 : -0.005) * prng.uniform()));
        return level;
      };
    },
  },
  {
    name: "voltage",
    kind: "gauge",
    unit: "V",
    description: "Supply voltage: steady, with noise",
    start(prng) {
      const mean = 12 + prng.normal() * 0.2;
      return () => mean + prng.normal() * 0.03;
    },
  },
  {
    name: "energy",
    kind: "counter",
    unit: "W.h",
    description: "Energy used since the device started",
    start: (prng) => counter(prng, 5, 1e-5),
  },
  {
    name: "packets",
    kind: "counter",
    unit: "1",
    description: "Packets sent since the device started; it restarts now and then",
    start: (prng) => counter(prng, 40, 5e-4),
  },
  {
    name: "state",
    kind: "gauge",
    unit: "1",
    description: "0 off, 1 idle, 2 running, 3 fault",
    start(prng) {
      let state = 1 + prng.below(2);
      return () => {
        if (prng.uniform() < 0.01) state = prng.uniform() < 0.03 ? 3 : prng.below(3);
        return state;
      };
    },
  },
  {
    name: "load",
    kind: "gauge",
    unit: "%",
    description: "Processor load: a skewed noise that follows working hours",
    start(prng) {
      return (timeMs) => Math.min(100, 5 + Math.exp(1.5 + Math.max(0, daily(timeMs, 0)) + prng.normal() * 0.6));
    },
  },
];

/** The first `count` metrics; beyond the ten kinds they repeat as `temperature_2` and so on. */
export function signalsFor(count: number): Signal[] {
  return Array.from({ length: count }, (_, i) => {
    const signal = signals[i % signals.length];
    const round = Math.floor(i / signals.length) + 1;
    return round === 1 ? signal : { ...signal, name: `${signal.name}_${round}` };
  });
}
