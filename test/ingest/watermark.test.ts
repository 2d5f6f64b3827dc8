import { describe, expect, it } from "vitest";
import type { Tier } from "../../lib/aggregate/tiers.ts";
import { type WindowState, watermarkOf, windowState } from "../../lib/aggregate/watermark.ts";
import { latenessMsDefault, openFlushMs } from "../../lib/base/limits.ts";
import { MemoryStore } from "../../lib/store/memory/memory-store.ts";
import { readRange } from "../store/steps.ts";
import { batch } from "../support/batches.ts";
import { IngestHarness } from "../support/ingest.ts";

const tens = 10_000;
const minute = 60_000;
const hour = 60 * minute;
const tiers: readonly Tier[] = [{ widthMs: tens }, { widthMs: minute }, { widthMs: hour }];

/** A server and one device of it. */
class Server {
  readonly store = new MemoryStore(tiers);
  ingest = new IngestHarness(this.store);
  readonly startMs = this.ingest.nowMs;
  #sequence = 0;
  #spool = 1;
  #call = this.ingest.connect("press");

  wait(ms: number): void {
    this.ingest.nowMs += ms;
    this.ingest.elapsedMs += Math.max(0, ms);
  }

  /** @param timesMs after the start */
  send(...timesMs: number[]): void {
    this.#sequence += 1;
    const [first = 0] = timesMs;
    const table = {
      metricHandles: [1],
      baseTimeUnixMs: BigInt(this.startMs + first),
      timeOffsetsMs: timesMs.map((timeMs) => timeMs - first),
      values: timesMs.map(() => 1),
    };
    this.#call.batches({ deviceHandle: 1, sequence: BigInt(this.#sequence), tables: [table] });
    this.ingest.flush();
  }

  crash(): void {
    const { nowMs, elapsedMs } = this.ingest;
    this.ingest = new IngestHarness(this.store, { nowMs, elapsedMs });
    this.#call = this.ingest.connect("press", { spool: this.#spool });
  }

  newSpool(): void {
    this.#spool += 1;
    this.#sequence = 0;
    this.#call = this.ingest.connect("press", { spool: this.#spool });
  }

  /** The states of a tier's windows, by their starts after this server's. */
  states(widthMs = tens): Record<number, WindowState> {
    this.ingest.settle();
    const device = this.ingest.storedDevice("press");
    if (device === undefined) throw new Error("the device is known");
    const watermarkMs = watermarkOf(device, this.ingest.nowMs, latenessMsDefault);
    const entries = readRange(this.store, { widthMs }).pages.flatMap(({ windows }) =>
      Array.from({ length: windows.length }, (_, i): [number, WindowState] => [
        windows.starts[i] - this.startMs,
        windowState(windows.starts[i] + widthMs, windows.watermarksMs[i], watermarkMs),
      ]),
    );
    return Object.fromEntries(entries);
  }
}

describe("the state of a window", () => {
  it("is provisional while samples are expected, then final", () => {
    const server = new Server();
    server.send(1_000);
    expect(server.states()).toEqual({ 0: "provisional" });
    server.wait(tens + latenessMsDefault - 1);
    server.send(tens + latenessMsDefault - 1);
    expect(server.states()).toEqual({ 0: "provisional", 30000: "provisional" });
    server.wait(1);
    server.send(tens + latenessMsDefault);
    expect(server.states()).toEqual({ 0: "final", 30000: "provisional", 40000: "provisional" });
  });

  it("is never corrected by history that comes in order, however old it is and however it is cut into batches", () => {
    for (const samplesPerBatch of [1, 7, 100]) {
      const server = new Server();
      for (let at = 0; at < 300; at += samplesPerBatch) {
        server.wait(10);
        server.send(...Array.from({ length: samplesPerBatch }, (_, i) => -2 * hour + (at + i) * 5_000));
      }
      for (const { widthMs } of tiers) expect(Object.values(server.states(widthMs))).not.toContain("corrected");
      expect(server.states()[-2 * hour]).toBe("final");
    }
  });

  it("is corrected, in each tier in which it was final, by a sample that comes late", () => {
    const server = new Server();
    server.send(1_000);
    server.wait(minute);
    server.send(minute);
    server.send(2_000);
    // The minute is over, and final half a minute later: now it is not.
    expect(server.states(tens)).toMatchObject({ 0: "corrected", 60000: "provisional" });
    expect(server.states(minute)).toMatchObject({ 0: "provisional", 60000: "provisional" });
    server.wait(latenessMsDefault);
    server.send(minute + latenessMsDefault);
    expect(server.states(minute)).toMatchObject({ 0: "final", 60000: "provisional" });
    server.send(3_000);
    expect(server.states(minute)).toMatchObject({ 0: "corrected", 60000: "provisional" });
    expect(server.states(hour)).toEqual({ 0: "provisional" });
  });

  it("stays corrected when its tier rolls it up, and when the server starts again", () => {
    const server = new Server();
    server.send(1_000);
    server.wait(2 * minute);
    server.send(2 * minute);
    server.send(2_000);
    server.wait(2 * hour);
    server.send(2 * minute + 2 * hour);
    server.ingest.settle();
    expect(server.store.rolledMs[2]).toBeGreaterThan(server.startMs);
    const want = { [tens]: server.states(tens)[0], [minute]: server.states(minute)[0], [hour]: server.states(hour)[0] };
    expect(want).toEqual({ [tens]: "corrected", [minute]: "corrected", [hour]: "final" });
    server.crash();
    for (const { widthMs } of tiers) expect(server.states(widthMs)[0]).toBe(want[widthMs]);
  });

  it("is the same when the journal is replayed: a batch keeps the watermark under which it came", () => {
    for (const isStored of [false, true]) {
      const server = new Server();
      server.send(1_000);
      server.wait(minute);
      server.send(minute);
      if (isStored) server.ingest.settle();
      server.send(2_000);
      server.send(minute + 1);
      // By the time of the replay everything is late.
      server.wait(24 * hour);
      server.crash();
      server.wait(-24 * hour);
      expect(server.states()).toEqual({ 0: "corrected", 60000: "provisional" });
    }
  });

  it("is not corrected by a replay of samples that came after its end, but in time", () => {
    const server = new Server();
    server.send(1_000);
    server.wait(20_000);
    server.send(3_000);
    server.crash();
    expect(server.states()).toEqual({ 0: "provisional" });
    server.wait(minute);
    expect(server.states()).toEqual({ 0: "final" });
  });

  it("is final when the device has been silent for the allowed lateness: the server's clock goes on for it", () => {
    const server = new Server();
    server.send(1_000);
    server.wait(latenessMsDefault);
    expect(server.states()).toEqual({ 0: "provisional" });
    server.wait(tens);
    expect(server.states()).toEqual({ 0: "final" });
    expect(server.states(minute)).toEqual({ 0: "provisional" });
    server.crash();
    expect(server.states()).toEqual({ 0: "final" });
    server.send(2_000);
    expect(server.states()).toEqual({ 0: "corrected" });
  });

  it("does not go by one sample from the future", () => {
    const server = new Server();
    server.send(5 * minute);
    server.send(1_000, 11_000);
    expect(server.states()).toEqual({ 0: "provisional", 10000: "provisional", 300000: "provisional" });
    server.send(2_000);
    expect(server.states()[0]).toBe("provisional");
  });

  it("does not go back when the server's clock does", () => {
    const server = new Server();
    server.send(1_000);
    server.wait(minute);
    server.send(minute);
    expect(server.states()[0]).toBe("final");
    server.wait(-minute);
    expect(server.states()[0]).toBe("final");
    server.send(2_000);
    expect(server.states()[0]).toBe("corrected");
  });

  it("goes on where it was when the device comes with another spool", () => {
    const server = new Server();
    server.send(1_000);
    server.wait(minute);
    server.send(minute);
    server.newSpool();
    expect(server.states()[0]).toBe("final");
    server.send(2_000);
    expect(server.states()[0]).toBe("corrected");
    server.crash();
    expect(server.states()[0]).toBe("corrected");
  });

  it("is that of its own device: another one that is ahead changes nothing", () => {
    const server = new Server();
    server.send(1_000);
    server.wait(openFlushMs);
    const other = server.ingest.connect("pump");
    other.batches(batch(1, [1], { timeMs: server.ingest.nowMs }));
    server.ingest.flush();
    server.wait(-openFlushMs);
    server.send(2_000);
    expect(server.states()[0]).toBe("provisional");
  });
});
