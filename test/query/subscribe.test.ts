import { durationFromMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { describe, expect, it } from "vitest";
import { quantilesMax, subscriptionIntervalMsMax, subscriptionIntervalMsMin } from "../../lib/base/limits.ts";
import { dayMs } from "../support/batches.ts";
import { push, Watcher } from "../support/query.ts";
import { failureOf } from "../support/rpc.ts";
import { serverOfFile, startServer } from "../support/server.ts";

const server = serverOfFile();
let devices = 0;
/** A device that no other test uses. */
const newDevice = () => `device-${++devices}`;

const windowMs = 10_000;
const of = (...deviceIds: string[]) => ({ selector: { deviceIds } });

describe("a subscription", () => {
  it("begins with a snapshot from the window of its start, then a heartbeat", async () => {
    const id = newDevice();
    await push(server(), id, 1, [1, 2, 4, 8], { stepMs: windowMs });
    const watcher = new Watcher(server(), { ...of(id), snapshotFrom: timestampFromMs(dayMs + 2 * windowMs - 1) });
    expect((await watcher.next())?.case).toBe("snapshot");
    expect([...watcher.windows.values()].map(({ sum }) => sum)).toEqual([2, 4, 8]);
    const heartbeat = await watcher.next();
    expect(heartbeat).toMatchObject({ case: "heartbeat" });
    expect(heartbeat?.case === "heartbeat" && heartbeat.value.revision > 0n).toBe(true);
    await watcher.stop();
  });

  it("has no snapshot when none is asked for", async () => {
    const id = newDevice();
    await push(server(), id, 1, [1]);
    const watcher = new Watcher(server(), of(id));
    expect((await watcher.next())?.case).toBe("heartbeat");
    await push(server(), id, 2, [2]);
    expect(await watcher.sees(id, 2)).toMatchObject({ sum: 3, min: 1, max: 2, first: 1, last: 2 });
    await watcher.stop();
  });

  it("shows each change within a second of its ack, with the whole window", async () => {
    const id = newDevice();
    const watcher = await Watcher.start(server(), of(id));
    for (let sequence = 1; sequence <= 5; sequence += 1) {
      await push(server(), id, sequence, [sequence]);
      const ackedAtMs = performance.now();
      await watcher.sees(id, sequence);
      expect(performance.now() - ackedAtMs).toBeLessThan(1_000);
    }
    await watcher.stop();
  });

  it("shows a change of a window that is long over", async () => {
    const id = newDevice();
    const startMs = Date.UTC(1999, 11, 31);
    const watcher = await Watcher.start(server(), { ...of(id), snapshotFrom: timestampFromMs(dayMs) });
    await push(server(), id, 1, [7], { timeMs: startMs });
    expect(await watcher.sees(id, 1, { startMs })).toMatchObject({ sum: 7 });
    await watcher.stop();
  });

  it("includes devices and metrics that appear later", async () => {
    const id = newDevice();
    const all = await Watcher.start(server());
    const later = await Watcher.start(server(), of(id));
    await push(server(), id, 1, [1]);
    await push(server(), id, 2, [2], { metrics: ["temperature", "pressure"], metric: 2 });
    for (const watcher of [all, later]) {
      await watcher.sees(id, 1);
      await watcher.sees(id, 1, { metric: "pressure" });
      await watcher.stop();
    }
  });

  it("shows what is selected, and nothing else", async () => {
    const [chosen, other] = [newDevice(), newDevice()];
    const metrics = ["temperature", "pressure"];
    const selector = { deviceIds: [chosen], metricNames: ["pressure"] };
    const watcher = await Watcher.start(server(), { selector });
    // Has the server gather what the first one has not selected.
    const all = await Watcher.start(server());
    for (const id of [other, chosen]) {
      await push(server(), id, 1, [1], { metrics });
      await push(server(), id, 2, [2], { metrics, metric: 2 });
    }
    await watcher.sees(chosen, 1, { metric: "pressure" });
    await all.sees(other, 1, { metric: "pressure" });
    expect([...watcher.windows.keys()]).toEqual([`${chosen} pressure ${dayMs}`]);
    for (const each of [watcher, all]) await each.stop();
  });

  it("shows a device from the moment on at which it has the label that is selected", async () => {
    const id = newDevice();
    const watcher = await Watcher.start(server(), { selector: { labels: { site: id } } });
    // Has the server gather what the first one has not selected.
    const all = await Watcher.start(server());
    await push(server(), id, 1, [1], { labels: { site: "elsewhere" } });
    await all.sees(id, 1);
    expect(watcher.told).toBe(0);
    await push(server(), id, 2, [2], { labels: { site: id } });
    expect(await watcher.sees(id, 2)).toMatchObject({ sum: 3 });
    for (const each of [watcher, all]) await each.stop();
  });

  it("shows the quantiles that it asks for, in their order, in its snapshot and in each change", async () => {
    const id = newDevice();
    await push(server(), id, 1, [10, 20, 30]);
    const request = { ...of(id), snapshotFrom: timestampFromMs(dayMs), quantiles: [1, 0, 0.5] };
    const watcher = await Watcher.start(server(), request);
    const sees = async (count: number, ...wants: number[]) => {
      const { quantiles } = await watcher.sees(id, count);
      expect(quantiles).toHaveLength(wants.length);
      for (const [i, want] of wants.entries()) expect(Math.abs(quantiles[i] / want - 1)).toBeLessThanOrEqual(0.01);
    };
    await sees(3, 30, 10, 20);
    await push(server(), id, 2, [1, 2], { timeMs: dayMs + 100 });
    await sees(5, 30, 1, 10);
    await watcher.stop();
  });

  it("leaves nothing out between its snapshot and its changes", async () => {
    const id = newDevice();
    let sent = 0;
    let enough = false;
    const pushing = (async () => {
      while (!enough) {
        sent += 1;
        await push(server(), id, sent, [1]);
      }
    })();
    for (let i = 0; i < 5; i += 1) {
      const watcher = await Watcher.start(server(), { ...of(id), snapshotFrom: timestampFromMs(dayMs) });
      await watcher.stop();
    }
    const watcher = await Watcher.start(server(), { ...of(id), snapshotFrom: timestampFromMs(dayMs) });
    enough = true;
    await pushing;
    await watcher.sees(id, sent);
    await watcher.stop();
  });

  it("is served in its own tier beside one of another", async () => {
    const id = newDevice();
    const fine = await Watcher.start(server(), of(id));
    const coarse = await Watcher.start(server(), { ...of(id), tier: durationFromMs(60_000) });
    await push(server(), id, 1, [1, 2, 3], { stepMs: windowMs });
    expect(await coarse.sees(id, 3)).toMatchObject({ tierMs: 60_000, sum: 6 });
    expect(await fine.sees(id, 1, { startMs: dayMs + 2 * windowMs })).toMatchObject({ tierMs: windowMs, sum: 3 });
    expect(coarse.windows.size).toBe(1);
    expect(fine.windows.size).toBe(3);
    for (const watcher of [fine, coarse]) await watcher.stop();
  });

  it("goes on when another one ends", async () => {
    const id = newDevice();
    const [staying, leaving] = [await Watcher.start(server(), of(id)), await Watcher.start(server(), of(id))];
    await leaving.stop();
    await push(server(), id, 1, [1]);
    await staying.sees(id, 1);
    await staying.stop();
  });

  it("ends with OK when the server is stopped", async () => {
    const stopped = await startServer();
    const watcher = await Watcher.start(stopped);
    const stopping = stopped.stop();
    while ((await watcher.next()) !== undefined);
    await stopping;
  });
});

describe("many subscriptions of one selection", () => {
  it("are all sent a change, though to send it to the others takes longer than they wait for each other", async () => {
    const id = newDevice();
    const request = { ...of(id), intervalMin: durationFromMs(1_000) };
    const watchers = await Promise.all(Array.from({ length: 60 }, () => Watcher.start(server(), request)));
    for (const sequence of [1, 2]) {
      await push(server(), id, sequence, Array(1_000).fill(1), { stepMs: windowMs });
      const pushedMs = performance.now();
      await Promise.all(watchers.map((watcher) => watcher.sees(id, sequence)));
      // An interval or two; who is put off whenever others were first waits for twenty.
      expect(performance.now() - pushedMs).toBeLessThan(3_500);
    }
    for (const watcher of watchers) await watcher.stop();
  });
});

describe("a subscription that cannot be served", () => {
  function refused(name: string, request: object, ...texts: string[]) {
    it(`is refused when ${name}`, async () => {
      const error = await failureOf(server().query.subscribe(request));
      expect(error.status).toBe("INVALID_ARGUMENT");
      for (const text of texts) expect(error.message).toContain(text);
    });
  }
  const limits = `${subscriptionIntervalMsMin} to ${subscriptionIntervalMsMax} ms`;
  refused("its interval is too short", { intervalMin: durationFromMs(99) }, "interval_min is 99 ms", limits);
  refused("its interval is too long", { intervalMin: durationFromMs(60_001) }, "interval_min is 60001 ms", limits);
  refused("its interval is negative", { intervalMin: durationFromMs(-1) }, "interval_min is -1 ms", limits);
  refused("its tier does not exist", { tier: durationFromMs(1_000) }, "tier is 1s", "10s, 1m, 1h, 1d");
  refused("a metric name is empty", { selector: { metricNames: [""] } }, "selector.metric_names has an empty entry");
  refused("a quantile is above 1", { quantiles: [1.5] }, "quantiles has 1.5", "numbers from 0 to 1");
  refused("a quantile is not a number", { quantiles: [Number.NaN] }, "quantiles has NaN");
  refused(
    "it asks for too many quantiles",
    { quantiles: Array(quantilesMax + 1).fill(0.5) },
    `quantiles has ${quantilesMax + 1} entries, the limit is ${quantilesMax}`,
  );
  refused("its snapshot starts after year 9999", { snapshotFrom: { seconds: 253_402_300_800n } }, "snapshot_from is");

  it("is ended by its deadline", async () => {
    const responses = server().query.subscribe({}, { timeoutMs: 300 });
    expect(await failureOf(responses)).toMatchObject({ status: "DEADLINE_EXCEEDED" });
  });
});

describe("a subscriber that does not read", () => {
  /** Ten frames of 60 KiB per change: what lies between generator and reader holds about three changes. */
  const many = 10_000;
  const changes = 8;

  it("does not hold up another, and is sent the latest of each window when it reads", async () => {
    const [loud, quiet] = [newDevice(), newDevice()];
    const slow = await Watcher.start(server(), of(loud));
    const other = await Watcher.start(server(), of(quiet));
    for (let sequence = 1; sequence <= changes; sequence += 1) {
      await push(server(), loud, sequence, Array(many).fill(1), { stepMs: windowMs });
      await push(server(), quiet, sequence, [1]);
      // Shown although the slow one has not read its own.
      await other.sees(quiet, sequence);
    }
    const latest = () => [...slow.windows.values()].filter(({ count }) => count === changes).length;
    while (latest() < many) await slow.next();
    expect(slow.windows.size).toBe(many);
    // Not every change: of those that waited, only the latest value was kept.
    expect(slow.told).toBeLessThan((changes - 1) * many);
    for (const watcher of [slow, other]) await watcher.stop();
  });
});
