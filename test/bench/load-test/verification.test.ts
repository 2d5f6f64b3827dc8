import { describe, expect, it } from "vitest";
import type { SentLoad, SentSession } from "../../../bench/load-test/load-comparison.ts";
import { SeriesTotals } from "../../../bench/load-test/series-totals.ts";
import { verifyLoad } from "../../../bench/load-test/verification.ts";
import type { QueryClient } from "../../../device-sim/verify/server-view.ts";
import { batch, dayMs, registration, spool } from "../../support/batches.ts";
import { serverOfFile } from "../../support/server.ts";

const server = serverOfFile();
/** Each load has devices of its own. */
const numbers = Array.from({ length: 100 }, (_, i) => i);

/** A load of two devices with two metrics, in batches of three samples of one of them. */
class Load {
  readonly idPrefix = `load-${numbers.shift()}-`;
  readonly deviceIds = [`${this.idPrefix}0001`, `${this.idPrefix}0002`];
  readonly metrics = ["temperature", "humidity"];
  readonly samples = new SeriesTotals(4);
  readonly sessions: (SentSession & { batchesSealed: number; ackedSequence: number })[] = [1, 2].map((n) => ({
    id: spool(n),
    batchesSealed: 0,
    ackedSequence: 0,
  }));

  /** The next batch of a device is sealed. */
  seal(device: number, metric: number, values: readonly [number, number, number]): void {
    for (const value of values) this.samples.add(device * 2 + metric, value);
    this.sessions[device].batchesSealed += 1;
  }

  /** A batch is acked by the server. */
  async push(device: number, metric: number, sequence: number, values: readonly number[], spoolNumber = device + 1) {
    const { registered } = await server().ingest.pushBatch({
      registration: registration(this.deviceIds[device], { metrics: this.metrics, spool: spoolNumber }),
      payload: { case: "batch", value: batch(sequence, values, { metric: metric + 1, stepMs: 1_000 }) },
    });
    return Number(registered?.ackedSequence);
  }

  /** Both: sealed, sent, and seen acked. */
  async send(device: number, metric: number, values: readonly [number, number, number]): Promise<void> {
    this.seal(device, metric, values);
    const { batchesSealed } = this.sessions[device];
    this.sessions[device].ackedSequence = await this.push(device, metric, batchesSealed, values);
  }

  async sendAll(): Promise<this> {
    await this.send(0, 0, [1, 2, 3]);
    await this.send(0, 1, [40, 50, 60]);
    await this.send(1, 0, [7, 7, 7]);
    return this;
  }

  verify(query: QueryClient = server().query) {
    const sent: SentLoad = {
      idPrefix: this.idPrefix,
      deviceIds: this.deviceIds,
      metrics: this.metrics,
      samples: this.samples,
      sessions: this.sessions,
      batchSamples: 3,
      fromMs: dayMs,
      toMs: dayMs + 60_000,
    };
    return verifyLoad(query, sent);
  }
}

const right = { refused: 0, lost: 0, duplicated: 0, seriesWrong: 0, differences: [] };

describe("the verification of a load", () => {
  it("finds nothing wrong where each sample is counted once", async () => {
    const load = await new Load().sendAll();
    expect(await load.verify()).toEqual({ ...right, counted: 9, series: 3 });
  });

  it("finds nothing wrong where nothing was sent", async () => {
    expect(await new Load().verify()).toEqual({ ...right, counted: 0, series: 0 });
  });

  it("puts the windows of a series together where they are several", async () => {
    const load = await new Load().sendAll();
    load.seal(1, 0, [8, 9, 10]);
    const later = batch(2, [8, 9, 10], { timeMs: dayMs + 86_400_000, stepMs: 1_000 });
    await server().ingest.pushBatch({
      registration: registration(load.deviceIds[1], { metrics: load.metrics, spool: 2 }),
      payload: { case: "batch", value: later },
    });
    load.sessions[1].ackedSequence = 2;
    const { idPrefix, deviceIds, metrics, samples, sessions } = load;
    const range = { fromMs: dayMs, toMs: dayMs + 2 * 86_400_000 };
    const sent = { idPrefix, deviceIds, metrics, samples, sessions, batchSamples: 3, ...range };
    expect(await verifyLoad(server().query, sent)).toEqual({ ...right, counted: 12, series: 3 });
  });

  it("finds samples that are lost, and in which series", async () => {
    const load = await new Load().sendAll();
    load.samples.add(1, 45);
    expect(await load.verify()).toEqual({
      ...right,
      counted: 9,
      series: 3,
      lost: 1,
      seriesWrong: 1,
      differences: [`${load.deviceIds[0]} humidity: count expected 4, found 3, sum expected 195, found 150`],
    });
  });

  it("finds samples that are counted twice, and in which series", async () => {
    const load = await new Load().sendAll();
    load.samples.counts[2] -= 2;
    load.samples.sums[2] -= 14;
    expect(await load.verify()).toMatchObject({
      lost: 0,
      duplicated: 2,
      seriesWrong: 1,
      differences: [`${load.deviceIds[1]} temperature: count expected 1, found 3, sum expected 7, found 21`],
    });
  });

  it("is not deceived by a sample lost here and counted twice there", async () => {
    const load = await new Load().sendAll();
    load.samples.counts[0] += 1;
    load.samples.counts[1] -= 1;
    expect(await load.verify()).toMatchObject({ counted: 9, lost: 1, duplicated: 1, seriesWrong: 2 });
  });

  it.each(["sums", "mins", "maxs"] as const)("finds a wrong value by its %s", async (column) => {
    const load = await new Load().sendAll();
    load.samples[column][0] += 1;
    const { lost, duplicated, seriesWrong } = await load.verify();
    expect({ lost, duplicated, seriesWrong }).toEqual({ lost: 0, duplicated: 0, seriesWrong: 1 });
  });

  it("finds a device that the server does not know, though it has acked its batches", async () => {
    const load = await new Load().sendAll();
    load.seal(1, 1, [1, 2, 3]);
    await server().devices.deleteDevice({ deviceId: load.deviceIds[1], force: true });
    const { lost, seriesWrong, differences } = await load.verify();
    expect({ lost, seriesWrong }).toEqual({ lost: 3, seriesWrong: 0 });
    expect(differences.at(-1)).toBe(`${load.deviceIds[1]}: the server does not know it`);
  });

  it("finds an ack that the server has taken back", async () => {
    const load = await new Load().sendAll();
    load.seal(1, 1, [1, 2, 3]);
    load.sessions[1].ackedSequence = 2;
    const { lost, differences } = await load.verify();
    expect(lost).toBe(3);
    expect(differences).toContain(`${load.deviceIds[1]}: acked sequence expected 2, found 1`);
  });

  it("counts a batch without an ack as the server says: settled, or not", async () => {
    const arrived = await new Load().sendAll();
    arrived.seal(0, 0, [5, 6, 7]);
    await arrived.push(0, 0, 3, [5, 6, 7]);
    expect(await arrived.verify()).toEqual({ ...right, counted: 12, series: 3 });

    const missing = await new Load().sendAll();
    missing.seal(0, 0, [5, 6, 7]);
    expect(await missing.verify()).toEqual({ ...right, counted: 9, series: 3 });
  });

  it("finds what is too much or out of place beside batches without an ack", async () => {
    const load = await new Load().sendAll();
    load.seal(0, 0, [2, 2, 2]);
    load.samples.mins[0] = 2;
    load.samples.counts[1] = 2;
    const { seriesWrong, differences } = await load.verify();
    expect(seriesWrong).toBe(2);
    expect(differences).toEqual(
      ["temperature", "humidity"].map(
        (metric) => `${load.deviceIds[0]} ${metric}: count, minimum or maximum is beyond what was sent`,
      ),
    );
  });

  it("takes what was refused for refused, not for lost", async () => {
    const load = await new Load().sendAll();
    load.seal(1, 1, [1, 2, 3]);
    load.sessions[1].ackedSequence = await load.push(1, 1, 2, [1, Number.POSITIVE_INFINITY, 3]);
    expect(await load.verify()).toEqual({ ...right, counted: 11, refused: 1, series: 4 });
  });

  it("finds what is lost beside what was refused", async () => {
    const load = await new Load().sendAll();
    load.seal(1, 1, [1, 2, 3]);
    load.seal(1, 1, [4, 5, 6]);
    await load.push(1, 1, 2, [1, Number.POSITIVE_INFINITY, 3]);
    load.sessions[1].ackedSequence = 3;
    const { lost, refused, differences } = await load.verify();
    expect({ lost, refused }).toEqual({ lost: 3, refused: 1 });
    expect(differences[0]).toBe(`${load.deviceIds[1]}: count expected 8, found 5`);
  });

  it("finds a session that somebody else has taken over", async () => {
    const load = await new Load().sendAll();
    await load.push(1, 0, 1, [9, 9, 9], 77);
    const { duplicated, differences } = await load.verify();
    expect(duplicated).toBe(3);
    expect(differences).toContain(`${load.deviceIds[1]}: another session has taken it over`);
  });

  it("finds a session that does not count what its windows do", async () => {
    const load = await new Load().sendAll();
    const { query } = server();
    const lying: QueryClient = {
      ...query,
      listDevices: async (...args) => {
        const page = await query.listDevices(...args);
        page.devices[0].samplesCounted += 1n;
        return page;
      },
    };
    const { seriesWrong, differences } = await load.verify(lying);
    expect(seriesWrong).toBe(1);
    expect(differences).toEqual([`${load.deviceIds[0]}: its session counts 7 samples, its windows 6`]);
  });

  it("tells the first ten differences", async () => {
    const many = new Load();
    for (let i = 0; i < 20; i += 1) many.deviceIds[i] = `${many.idPrefix}${i}`;
    const samples = new SeriesTotals(40);
    const sessions = many.deviceIds.map((_, i) => ({ id: spool(i), batchesSealed: 1, ackedSequence: 1 }));
    const { idPrefix, deviceIds, metrics } = many;
    const sent = { idPrefix, deviceIds, metrics, samples, sessions, batchSamples: 3, fromMs: dayMs, toMs: dayMs + 1 };
    samples.counts.fill(1);
    const { differences, seriesWrong } = await verifyLoad(server().query, sent);
    expect({ differences: differences.length, seriesWrong }).toEqual({ differences: 10, seriesWrong: 40 });
  });
});
