import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  Disorder,
  type DisorderOptions,
  disorderProfiles,
  heldReadingsMax,
  heldValuesMax,
} from "../../device-sim/disorder.ts";
import { OfflineTimes } from "../../device-sim/offline-times.ts";
import { type Reading, type ReadingsChoice, readingsOf } from "../../device-sim/readings.ts";

const { trucks } = disorderProfiles;
const choice: ReadingsChoice = {
  metrics: 2,
  intervalMs: 1_000,
  seed: 1,
  startMs: Date.UTC(2026, 0, 15),
  integers: false,
};

interface Sent extends Reading {
  /** When it was sent: the time of the reading that was made then; infinity: at the end. */
  readonly sentMs: number;
}

interface Run {
  readonly sent: readonly Sent[];
  readonly late: number;
  readonly missing: number;
  /** Readings that were held back at once, at most. */
  readonly heldMax: number;
}

/** Everything that a device sends of so many readings. */
function runOf(
  readings: number,
  options: Partial<DisorderOptions>,
  device = 0,
  other: Partial<ReadingsChoice> = {},
): Run {
  const chosen = { ...choice, ...other };
  const tally = { readingsLate: 0, readingsMissing: 0, timesOffline: 0 };
  const disorder = new Disorder({ ...calm, ...options }, chosen.seed, device, chosen.metrics, tally);
  const sent: Sent[] = [];
  let made = 0;
  let heldMax = 0;
  for (const reading of readingsOf(device, chosen, readings * chosen.metrics)) {
    made += 1;
    for (const each of disorder.add(reading)) sent.push({ ...each, sentMs: reading.timeMs });
    heldMax = Math.max(heldMax, made - tally.readingsMissing - sent.length);
  }
  for (const each of disorder.flush()) sent.push({ ...each, sentMs: Number.POSITIVE_INFINITY });
  expect([...disorder.flush()]).toEqual([]);
  return { sent, late: tally.readingsLate, missing: tally.readingsMissing, heldMax };
}

const calm: DisorderOptions = { outOfOrderRate: 0, lateMsMax: 60_000, missingRate: 0, offlineRate: 0, offlineMsMax: 1 };

/** As texts, in order. */
function samplesOf(readings: Iterable<Reading>): string[] {
  return [...readings].flatMap(({ timeMs, values }) => Array.from(values, (value, i) => `${timeMs} ${i} ${value}`));
}

/** Readings that came behind a later one. */
function behind(sent: readonly Sent[]): Sent[] {
  let latestMs = Number.NEGATIVE_INFINITY;
  return sent.filter(({ timeMs }) => {
    const isBehind = timeMs < latestMs;
    latestMs = Math.max(latestMs, timeMs);
    return isBehind;
  });
}

const anyRate = fc.oneof(fc.constantFrom(0, 1), fc.double({ min: 0, max: 1, noNaN: true }));
const anyDisorder = fc.record({
  outOfOrderRate: anyRate,
  lateMsMax: fc.integer({ min: 1, max: 400_000 }),
  missingRate: anyRate,
  seed: fc.nat(),
  readings: fc.nat({ max: 120 }),
  metrics: fc.integer({ min: 1, max: 4 }),
});

describe("a device's disorder", () => {
  it("sends exactly the samples that are sent without it, but for the missing readings", () => {
    fc.assert(
      fc.property(anyDisorder, ({ readings, seed, metrics, ...options }) => {
        const of = { seed, metrics };
        const ordered = samplesOf(readingsOf(0, { ...choice, ...of }, readings * metrics));
        const { sent, missing } = runOf(readings, options, 0, of);
        const samples = samplesOf(sent);
        const known = new Set(ordered);
        expect(samples.filter((each) => !known.has(each))).toEqual([]);
        expect(new Set(samples).size).toBe(samples.length);
        expect(samples.length).toBe((readings - missing) * metrics);
      }),
    );
  });

  it("misses the same readings however many are late", () => {
    fc.assert(
      fc.property(anyDisorder, ({ readings, seed, metrics, ...options }) => {
        const late = runOf(readings, options, 0, { seed, metrics });
        const onTime = runOf(readings, { missingRate: options.missingRate }, 0, { seed, metrics });
        expect(samplesOf(late.sent).sort()).toEqual(samplesOf(onTime.sent).sort());
        expect(onTime.late).toBe(0);
        expect(behind(onTime.sent)).toEqual([]);
      }),
    );
  });

  it("sends nothing later than it may, but for the end", () => {
    fc.assert(
      fc.property(anyDisorder, ({ readings, seed, metrics, ...options }) => {
        const { sent } = runOf(readings, options, 0, { seed, metrics });
        const lateMs = sent
          .filter(({ sentMs }) => Number.isFinite(sentMs))
          .map(({ sentMs, timeMs }) => sentMs - timeMs);
        // When it is due, the next reading takes it along.
        for (const each of lateMs) expect(each).toBeLessThan(options.lateMsMax + choice.intervalMs);
      }),
    );
  });

  it("of trucks has 10 % of the readings missing, and 30 % late, by minutes", () => {
    const { sent, late, missing } = runOf(100_000, trucks);
    expect(missing / 100_000).toBeCloseTo(0.1, 2);
    expect(late / (100_000 - missing)).toBeCloseTo(0.3, 2);
    const lateOnes = behind(sent);
    // A few are late by less than a reading, and a few at the end overtake nothing.
    expect(lateOnes.length / late).toBeGreaterThan(0.98);
    const lateness = lateOnes.map(({ sentMs, timeMs }) => sentMs - timeMs).filter(Number.isFinite);
    expect(Math.max(...lateness)).toBeGreaterThan(290_000);
    expect(lateness.reduce((sum, ms) => sum + ms, 0) / lateness.length / 60_000).toBeCloseTo(2.5, 1);
  });

  it("is the same for the same seed, other for another seed, and other for each device", () => {
    const order = (device: number, seed: number) => samplesOf(runOf(200, trucks, device, { seed }).sent);
    expect(order(0, 1)).toEqual(order(0, 1));
    const missing = (device: number, seed: number) => {
      const { sent } = runOf(200, trucks, device, { seed });
      return sent
        .map(({ timeMs }) => timeMs)
        .sort()
        .join();
    };
    expect(new Set([missing(0, 1), missing(1, 1), missing(0, 2)]).size).toBe(3);
  });

  it("has sent the same until then, wherever it is stopped", () => {
    const untilStopped = (readings: number) =>
      runOf(readings, trucks).sent.filter(({ sentMs }) => Number.isFinite(sentMs));
    expect(samplesOf(untilStopped(900)).slice(0, 700)).toEqual(samplesOf(untilStopped(500)).slice(0, 700));
  });

  it("holds back everything for a while when everything is late, in an order that is not that of the times", () => {
    const { sent, late } = runOf(1_000, { outOfOrderRate: 1, lateMsMax: 20_000 });
    expect(late).toBe(1_000);
    expect(behind(sent).length).toBeGreaterThan(500);
  });

  it.each([
    [1, heldReadingsMax],
    [16, heldReadingsMax],
    [17, Math.floor(heldValuesMax / 17)],
    [1_000, 16],
  ])("with %i metrics holds back %i readings at most, and loses none for it", (metrics, max) => {
    const readings = 3 * max;
    const { sent, heldMax } = runOf(readings, { outOfOrderRate: 1, lateMsMax: 1e9 }, 0, { metrics });
    expect(heldMax).toBe(max);
    expect(new Set(sent.map(({ timeMs }) => timeMs)).size).toBe(readings);
  });
});

describe("the readings of a device", () => {
  it("end inside a reading when they are to", () => {
    const readings = [...readingsOf(0, { ...choice, metrics: 3 }, 7)];
    expect(readings.map(({ values }) => values.filter((value) => !Number.isNaN(value)).length)).toEqual([3, 3, 1]);
    expect(Number.isNaN(readings[2].values[0])).toBe(false);
  });

  it("are none when there is no value to be made", () => {
    expect([...readingsOf(0, choice, 0)]).toEqual([]);
  });
});

describe("a device's times offline", () => {
  const dayMs = 86_400_000;

  /** Lengths of its periods offline, and the share of the time that they take. */
  function periodsOf(options: Partial<DisorderOptions>, days: number, intervalMs = 1_000, device = 0) {
    const times = new OfflineTimes({ ...trucks, ...options }, { ...choice, intervalMs }, device);
    const periods: { fromMs: number; toMs: number }[] = [];
    let before = false;
    let steps = 0;
    let offline = 0;
    for (let timeMs = choice.startMs; timeMs < choice.startMs + days * dayMs; timeMs += intervalMs) {
      const now = times.isOffline(timeMs);
      if (now && !before) periods.push({ fromMs: timeMs, toMs: timeMs });
      if (now) periods[periods.length - 1].toMs = timeMs + intervalMs;
      before = now;
      steps += 1;
      if (now) offline += 1;
    }
    return { periods, share: offline / steps };
  }

  it("take the share of the time that they are to, each some minutes", () => {
    const { periods, share } = periodsOf({}, 30);
    expect(share).toBeCloseTo(0.05, 2);
    const minutes = periods.map(({ fromMs, toMs }) => (toMs - fromMs) / 60_000);
    expect(Math.min(...minutes)).toBeGreaterThan(1.9);
    expect(Math.max(...minutes)).toBeLessThan(10.1);
    expect(periods.length).toBeGreaterThan(200);
  });

  it("begin with a time online", () => {
    for (let device = 0; device < 20; device += 1) {
      expect(periodsOf({}, 1, 1_000, device).periods[0].fromMs).toBeGreaterThan(choice.startMs);
    }
  });

  it("are the same for the same device, and others for another", () => {
    expect(periodsOf({}, 2)).toEqual(periodsOf({}, 2));
    expect(periodsOf({}, 2, 1_000, 0)).not.toEqual(periodsOf({}, 2, 1_000, 1));
  });

  it("are all the time, or none of it, when the share says so", () => {
    expect(periodsOf({ offlineRate: 1 }, 1).share).toBe(1);
    expect(periodsOf({ offlineRate: 0 }, 1).share).toBe(0);
  });

  it("are not shorter than a reading", () => {
    const { periods, share } = periodsOf({ offlineRate: 0.3, offlineMsMax: 1 }, 300, 3_600_000);
    expect(periods.length).toBeGreaterThan(100);
    expect(share).toBeCloseTo(0.3, 1);
  });
});
