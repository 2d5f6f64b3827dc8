import { describe, expect, it } from "vitest";
import { Meter } from "../../../bench/load/meter.ts";
import { Probes } from "../../../bench/load/probes.ts";
import { HandClock } from "./support/hand-clock.ts";

function probesOf() {
  const clock = new HandClock(1_000_000);
  const meter = new Meter(clock, 1);
  return { clock, meter, probes: new Probes(clock, meter) };
}

describe("probes", () => {
  it("give a value each, also where one change shows several of them", () => {
    const { clock, meter, probes } = probesOf();
    meter.start();
    const sent = [0, 40, 80].map((ms) => probes.sent(1_000_000 + ms));
    expect(sent).toEqual([1_000_000, 1_000_040, 1_000_080]);
    clock.ms += 100;
    probes.seen(1_000_040);
    // The same window again, because of another series, or because it is final.
    probes.seen(1_000_040);
    expect(probes.latencies.count).toBe(2);
    expect(probes.latencies.quantiles().p50).toBeCloseTo(60, 0);
    expect(probes.latencies.quantiles().max).toBe(100);
    clock.ms += 100;
    probes.seen(1_000_080);
    expect(probes.latencies.count).toBe(3);
    expect(probes.latencies.quantiles().max).toBe(120);
  });

  it("count from when they were to be sent, not from when a slot took them", () => {
    const { clock, meter, probes } = probesOf();
    meter.start();
    clock.ms += 500;
    probes.seen(probes.sent(1_000_000));
    expect(probes.latencies.quantiles().max).toBe(500);
  });

  it("have times of their own, so that none is taken for seen with the one before", () => {
    const { meter, probes } = probesOf();
    meter.start();
    const first = probes.sent(1_000_000.2);
    expect(probes.sent(1_000_000.4)).toBe(first + 1);
    probes.seen(first);
    expect(probes.latencies.count).toBe(1);
  });

  it("count when they were to be sent while it was measured, whenever they are seen", () => {
    const { clock, meter, probes } = probesOf();
    probes.sent(clock.ms);
    clock.ms += 10;
    meter.start();
    clock.ms += 10;
    const measured = probes.sent(clock.ms);
    clock.ms += 10;
    meter.stop();
    clock.ms += 10;
    const after = probes.sent(clock.ms);
    probes.seen(measured);
    clock.ms += 1_000;
    probes.seen(after);
    expect(probes.latencies.count).toBe(1);
    expect(probes.latencies.quantiles().max).toBe(20);
  });

  it("are waited for at the end, and count with what they have waited when they do not come", async () => {
    const { clock, meter, probes } = probesOf();
    meter.start();
    const [seen] = [probes.sent(clock.ms), probes.sent(clock.ms + 5)];
    clock.ms += 100;
    meter.stop();
    const settled = probes.settle(2_000);
    probes.seen(seen);
    clock.ms += 2_000;
    probes.seen(seen);
    await settled;
    expect(probes.latencies.count).toBe(2);
    expect(probes.latencies.quantiles().p50).toBeCloseTo(100, 0);
    expect(probes.latencies.quantiles().max).toBeCloseTo(2_095);
  });

  it("are not waited for where none was measured", async () => {
    const { clock, meter, probes } = probesOf();
    probes.sent(clock.ms);
    clock.ms += 1;
    meter.start();
    meter.stop();
    await probes.settle(600_000);
    expect(probes.latencies.count).toBe(0);
  });
});
