import { describe, expect, it } from "vitest";
import { Rates, ratedDevice } from "../../ingest/rates.ts";
import { rateBurstMs } from "../../lib/base/limits.ts";
import type { Device } from "../../lib/store/store.ts";
import { device } from "../store/steps.ts";

const press = device(1, "press");
const lathe = device(2, "lathe");
const perSecond = 1_000;
const burst = (perSecond * rateBurstMs) / 1_000;

/** Brings samples in groups that are stored. */
function bring(rates: Rates<Device>, samples: number, nowMs: number, who = press): void {
  rates.add(who, samples, nowMs);
  rates.commit();
}

describe("the rate of a device", () => {
  it("lets a minute's worth come at once", () => {
    const rates = new Rates(perSecond, ratedDevice);
    bring(rates, burst, 0);
    expect(rates.excess(press, 0)).toBe(0);
    bring(rates, 1, 0);
    expect(rates.excess(press, 0)).toBe(1);
  });

  it("is waited for as long as it takes the excess to drain", () => {
    const rates = new Rates(perSecond, ratedDevice);
    bring(rates, burst + 2_500, 0);
    expect(rates.delayOf(press, 0).delayMs).toBe(2_500);
    expect(rates.delayOf(press, 1_000).delayMs).toBe(1_500);
    expect(rates.excess(press, 2_500)).toBe(0);
  });

  it("is named with device, value, limit, flag and time", () => {
    const rates = new Rates(perSecond, ratedDevice);
    bring(rates, burst + 2_500, 0);
    const { detail } = rates.delayOf(press, 0);
    for (const word of ['"press"', "2500 samples", "1000 samples/s", "--device-rate", "1m", "waits 3s"]) {
      expect(detail).toContain(word);
    }
  });

  it("holds over a long time, whatever is brought whenever it may be", () => {
    const rates = new Rates(perSecond, ratedDevice);
    let nowMs = 0;
    let brought = 0;
    for (let i = 0; i < 500; i += 1) {
      const samples = 1 + ((i * 7_919) % 9_000);
      bring(rates, samples, nowMs);
      brought += samples;
      nowMs += rates.delayOf(press, nowMs).delayMs;
      expect(brought).toBeLessThanOrEqual(burst + (nowMs * perSecond) / 1_000);
    }
    expect(brought).toBeGreaterThan((nowMs * perSecond) / 1_000);
  });

  it("saves up no more than a minute's worth", () => {
    const rates = new Rates(perSecond, ratedDevice);
    bring(rates, 1, 0);
    bring(rates, burst + 10, 10 * rateBurstMs);
    expect(rates.excess(press, 10 * rateBurstMs)).toBe(10);
  });

  it("is each device's own", () => {
    const rates = new Rates(perSecond, ratedDevice);
    bring(rates, 2 * burst, 0);
    bring(rates, burst, 0, lathe);
    expect(rates.excess(lathe, 0)).toBe(0);
    expect(rates.excess(press, 0)).toBe(burst);
  });

  it("does not count what a group brought that could not be stored", () => {
    const rates = new Rates(perSecond, ratedDevice);
    bring(rates, burst, 0);
    for (let i = 0; i < 5; i += 1) {
      rates.add(press, 700, 0);
      rates.add(press, 300, 0);
      expect(rates.excess(press, 0)).toBe(1_000);
      rates.rollback();
    }
    expect(rates.excess(press, 0)).toBe(0);
    bring(rates, 1, 0);
    expect(rates.excess(press, 0)).toBe(1);
  });

  it("is off when it is infinite", () => {
    const rates = new Rates(Number.POSITIVE_INFINITY, ratedDevice);
    bring(rates, Number.MAX_SAFE_INTEGER, 0);
    expect(rates.excess(press, 0)).toBe(0);
    expect(rates.size).toBe(0);
  });

  it("is kept of those only that have sent lately, however many there are", () => {
    const rates = new Rates(perSecond, ratedDevice);
    const devices = 20_000;
    let most = 0;
    for (let id = 1; id <= devices; id += 1) {
      // Ten devices per second, each with what drains in a second.
      bring(rates, perSecond, id * 100, device(id, `device-${id}`));
      most = Math.max(most, rates.size);
    }
    expect(most).toBeLessThan(2_000);
  });
});
