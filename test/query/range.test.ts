import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs, durationMs, timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import { describe, expect, it } from "vitest";
import { defaultTiers } from "../../lib/aggregate/tiers.ts";
import {
  firstFrameWindowsMax,
  frameWindowsMax,
  groupLabelsMax,
  labelsMax,
  latenessMsDefault,
  pointsMax,
  quantilesMax,
  selectorPrefixesMax,
  timeMsMin,
} from "../../lib/base/limits.ts";
import { Aggregate, SeriesSelectorSchema, type WindowFrame } from "../../proto/gen/telemetry/v1/query_service_pb.js";
import { autoTier } from "../../query/request.ts";
import { batch, dayMs, registration } from "../support/batches.ts";
import { push, range, read } from "../support/query.ts";
import { failureOf } from "../support/rpc.ts";
import { serverOfFile } from "../support/server.ts";

const server = serverOfFile();
let devices = 0;
/** A device that no other test uses. */
const newDevice = () => `device-${++devices}`;

const hourMs = 3_600_000;
const windowMs = 10_000;

describe("a range", () => {
  it("has the windows that contain its start up to those that start before its end", async () => {
    const id = newDevice();
    await push(server(), id, 1, [1, 2, 4, 8, 16], { stepMs: windowMs });
    const f = async (fromMs: number, toMs: number, sums: number[]) => {
      const { windows } = await read(server(), range([id], { fromMs: dayMs + fromMs, toMs: dayMs + toMs }));
      expect(windows.map(({ sum }) => sum)).toEqual(sums);
    };
    await f(0, 50_000, [1, 2, 4, 8, 16]);
    await f(9_999, 30_000, [1, 2, 4]);
    await f(10_000, 30_001, [2, 4, 8]);
    await f(0, 1, [1]);
    await f(50_000, 90_000, []);
  });

  it("has every value of its windows, in every tier", async () => {
    const id = newDevice();
    await push(server(), id, 1, [5, 3, 9, 4], { timeMs: dayMs + 500, stepMs: 4_000 });
    const { windows } = await read(server(), range([id]));
    expect(windows).toMatchObject([
      { deviceId: id, metric: "temperature", startMs: dayMs, count: 3, sum: 17, min: 3, max: 9, first: 5, last: 9 },
      { startMs: dayMs + windowMs, count: 1, sum: 4, min: 4, max: 4, first: 4, last: 4 },
    ]);
    for (const { widthMs } of defaultTiers.slice(1)) {
      const { windows } = await read(server(), range([id], { tierMs: widthMs }));
      expect(windows).toMatchObject([{ tierMs: widthMs, startMs: dayMs, count: 4, sum: 21, first: 5, last: 4 }]);
    }
  });

  it("has the series that are selected, those of several devices by time", async () => {
    const [a, b] = [newDevice(), newDevice()];
    for (const id of [a, b]) {
      const options = { metrics: ["x", "y"], stepMs: windowMs };
      await push(server(), id, 1, [1, 2], options);
      await push(server(), id, 2, [3, 4], { ...options, metric: 2 });
    }
    const f = async (ids: string[], metricNames: string[], want: string[]) => {
      const { windows } = await read(server(), range(ids, { metricNames }));
      expect(windows.map(({ deviceId, metric, sum }) => `${deviceId} ${metric} ${sum}`)).toEqual(want);
    };
    await f([a], [], [`${a} x 1`, `${a} y 3`, `${a} x 2`, `${a} y 4`]);
    await f([b, a], ["y"], [`${a} y 3`, `${b} y 3`, `${a} y 4`, `${b} y 4`]);
    await f([a], ["z"], []);
  });

  it("answers with one empty frame, which names tier and revision, when nothing is found", async () => {
    const id = newDevice();
    await server().ingest.pushBatch({ registration: registration(id) });
    const { frames } = await read(server(), range([id], { tierMs: hourMs }));
    expect(frames).toHaveLength(1);
    expect(frames[0]?.counts).toEqual([]);
    expect(frames[0]?.tier && durationMs(frames[0].tier)).toBe(hourMs);
    expect(frames[0]?.revision).toBeGreaterThan(0n);
  });

  it("sees every sample right after its ack", async () => {
    const id = newDevice();
    for (let sequence = 1; sequence <= 20; sequence += 1) {
      await push(server(), id, sequence, [sequence]);
      const { windows } = await read(server(), range([id]));
      expect(windows[0]?.count).toBe(sequence);
    }
  });

  it("of many windows comes in several frames, in order, each series told once", async () => {
    const id = newDevice();
    const values = Array.from({ length: 5_000 }, (_, i) => i);
    await push(server(), id, 1, values, { stepMs: windowMs });
    const { frames, windows } = await read(server(), range([id], { toMs: dayMs + 5_000 * windowMs }));
    const rest = Array(4).fill(frameWindowsMax);
    const lastOne = frameWindowsMax - firstFrameWindowsMax;
    expect(frames.map(({ counts }) => counts.length)).toEqual([firstFrameWindowsMax, ...rest, lastOne]);
    expect(frames.flatMap(({ series }) => series)).toHaveLength(1);
    expect(windows.map(({ sum }) => sum)).toEqual(values);
    expect(windows.map(({ startMs }) => startMs)).toEqual(values.map((i) => dayMs + i * windowMs));
  });

  it("can reach from year 1 to today", async () => {
    const id = newDevice();
    await push(server(), id, 1, [1], { timeMs: timeMsMin });
    await push(server(), id, 2, [2], { timeMs: dayMs });
    const { windows } = await read(server(), range([id], { fromMs: timeMsMin }));
    expect(windows.map(({ startMs, sum }) => [startMs, sum])).toEqual([
      [timeMsMin, 1],
      [dayMs, 2],
    ]);
  });
});

describe("the first message of an answer", () => {
  it("tells which windows it has, and up to when they are complete", async () => {
    const id = newDevice();
    await push(server(), id, 1, [1], {});
    // Its mark is in memory only.
    await push(server(), id, 2, [2, 3], { timeMs: dayMs + 60_000, stepMs: 60_000 });
    const f = async (tierMs: number, completeUntilMs: number) => {
      const infos = [];
      for await (const { info } of server().query.queryRange(range([id], { tierMs }))) infos.push(info);
      const [info, ...others] = infos;
      expect(others.every((each) => each === undefined)).toBe(true);
      expect(info).toMatchObject({ exact: true });
      expect(info?.tier && durationMs(info.tier)).toBe(tierMs);
      expect(info?.completeUntil && timestampMs(info.completeUntil)).toBe(completeUntilMs);
      expect(info?.keptFrom).toBeUndefined();
      return info;
    };
    // The latest sample less the lateness, and no window that is longer than that.
    const finest = await f(10_000, dayMs + 120_000 - latenessMsDefault);
    expect(finest?.storedUntil).toBeUndefined();
    const minutes = await f(60_000, dayMs + 60_000);
    expect(minutes?.storedUntil && timestampMs(minutes.storedUntil)).toBeGreaterThan(dayMs);
  });

  it("tells that nothing is complete of devices without samples", async () => {
    const id = newDevice();
    await server().ingest.pushBatch({ registration: registration(id) });
    for await (const { info } of server().query.queryRange(range([id]))) expect(info?.completeUntil).toBeUndefined();
  });
});

describe("a range of chosen aggregates", () => {
  it("has these columns and no others, merged and grouped too", async () => {
    const id = newDevice();
    await push(server(), id, 1, [5, 3, 9, 4], { stepMs: 4_000 });
    const ask = { ...range([id], { tierMs: 60_000 }), aggregates: [Aggregate.SUM, Aggregate.MAX] };
    for (const request of [ask, { ...ask, groupBy: ["site"] }, { ...ask, tier: durationFromMs(10_000) }]) {
      const { frames } = await read(server(), request);
      const sum = (of: (frame: WindowFrame) => number[]) => frames.flatMap(of).reduce((a, b) => a + b, 0);
      expect(sum((frame) => frame.sums)).toBe(21);
      expect(Math.max(...frames.flatMap((frame) => frame.maxs))).toBe(9);
      for (const frame of frames)
        expect([...frame.counts, ...frame.mins, ...frame.lasts, ...frame.increases]).toEqual([]);
    }
  });
});

describe("a selection by prefixes", () => {
  it("has what begins with one of them, beside what is named", async () => {
    const prefix = newDevice();
    for (const id of [`${prefix}/a`, `${prefix}/b`, `${prefix}-c`]) {
      await push(server(), id, 1, [1], { metrics: ["speed", "spin", "heat"], metric: 2 });
      await push(server(), id, 2, [1], { metrics: ["speed", "spin", "heat"], metric: 3 });
    }
    const f = async (selector: MessageInitShape<typeof SeriesSelectorSchema>, want: string[]) => {
      const { windows } = await read(server(), { ...range([]), selector: create(SeriesSelectorSchema, selector) });
      expect(windows.map(({ deviceId, metric }) => `${deviceId.slice(prefix.length)} ${metric}`)).toEqual(want);
    };
    await f({ deviceIdPrefixes: [`${prefix}/`], metricNamePrefixes: ["sp"] }, ["/a spin", "/b spin"]);
    await f({ deviceIdPrefixes: [`${prefix}/b`, `${prefix}-`], metricNames: ["heat"] }, ["/b heat", "-c heat"]);
    const both = { deviceIds: [`${prefix}/a`], deviceIdPrefixes: [`${prefix}-`] };
    await f({ ...both, metricNames: ["heat"], metricNamePrefixes: ["spi"] }, [
      "/a spin",
      "/a heat",
      "-c spin",
      "-c heat",
    ]);
    await f({ deviceIdPrefixes: [`${prefix}?`] }, []);
  });
});

describe("the end of a range that its client does not want", () => {
  /** Enough that most of it waits for a client that does not read. */
  async function manyWindows(): Promise<string> {
    const id = newDevice();
    await push(server(), id, 1, Array(20_000).fill(1), { stepMs: windowMs });
    return id;
  }

  it("is a cancel in the middle, and other queries go on", async () => {
    const wide = range([await manyWindows()], { toMs: dayMs + 365 * 86_400_000 });
    let frames = 0;
    for await (const _ of server().query.queryRange(wide)) {
      frames += 1;
      if (frames === 2) break;
    }
    expect((await read(server(), wide)).windows).toHaveLength(20_000);
  });

  it("is its deadline", async () => {
    const wide = range([await manyWindows()], { toMs: dayMs + 365 * 86_400_000 });
    expect(await failureOf(server().query.queryRange(wide, { timeoutMs: 5 }))).toMatchObject({
      status: "DEADLINE_EXCEEDED",
    });
    expect((await read(server(), wide)).windows).toHaveLength(20_000);
  });
});

describe("a range that cannot be answered", () => {
  function refused(name: string, change: object, status: string, ...texts: string[]) {
    it(`is refused when ${name}`, async () => {
      const { tier: _, ...request } = range([]);
      const error = await failureOf(server().query.queryRange({ ...request, ...change }));
      expect(error.status).toBe(status);
      for (const text of texts) expect(error.message).toContain(text);
    });
  }
  const invalid = "INVALID_ARGUMENT";
  const at = timestampFromMs;
  refused(
    "a device is not known",
    { selector: { deviceIds: ["no-such-press"] } },
    "NOT_FOUND",
    'no device "no-such-press"',
  );
  refused("its start is missing", { from: undefined }, invalid, "from is missing");
  refused("its end is missing", { to: undefined }, invalid, "to is missing");
  refused(
    "a prefix is empty",
    { selector: { deviceIdPrefixes: [""] } },
    invalid,
    "selector.device_id_prefixes has an empty entry",
  );
  refused(
    "there are too many prefixes",
    { selector: { metricNamePrefixes: Array.from({ length: selectorPrefixesMax + 1 }, (_, i) => `p${i}`) } },
    invalid,
    `selector.metric_name_prefixes has ${selectorPrefixesMax + 1} entries, the limit is ${selectorPrefixesMax}`,
  );
  refused(
    "an aggregate is not known",
    { aggregates: [Aggregate.SUM, 99 as Aggregate] },
    invalid,
    "aggregates has 99, unknown or twice",
  );
  refused("an aggregate is not said", { aggregates: [Aggregate.UNSPECIFIED] }, invalid, "aggregates has UNSPECIFIED");
  refused("an aggregate is there twice", { aggregates: [Aggregate.SUM, Aggregate.SUM] }, invalid, "aggregates has SUM");
  refused(
    "start and end are swapped",
    { from: at(dayMs), to: at(dayMs - 1) },
    invalid,
    "2026-01-14T23:59:59.999Z, not after from",
  );
  refused("it is empty", { from: at(dayMs), to: at(dayMs) }, invalid, "to is 2026-01-15T00:00:00Z, not after from");
  refused("it starts before year 1", { from: at(timeMsMin - 1) }, invalid, "from is", "0001-01-01");
  refused("its tier does not exist", { tier: durationFromMs(15_000) }, invalid, "tier is 15s", "10s, 1m, 1h, 1d");
  refused(
    "it asks for too many points",
    { pointsMax: pointsMax + 1 },
    invalid,
    `points_max is ${pointsMax + 1}, the limit is`,
  );
  const labels = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`label${i}`, "x"]));
  refused(
    "it selects by too many labels",
    { selector: { labels: labels(labelsMax + 1) } },
    invalid,
    `selector.labels has ${labelsMax + 1} entries, the limit is ${labelsMax}`,
  );
  refused("a quantile is above 1", { quantiles: [0.5, 1.5] }, invalid, "quantiles has 1.5", "numbers from 0 to 1");
  refused("a quantile is below 0", { quantiles: [-0.01] }, invalid, "quantiles has -0.01", "numbers from 0 to 1");
  refused("a quantile is not a number", { quantiles: [Number.NaN] }, invalid, "quantiles has NaN", "from 0 to 1");
  refused(
    "it asks for too many quantiles",
    { quantiles: Array(quantilesMax + 1).fill(0.5) },
    invalid,
    `quantiles has ${quantilesMax + 1} entries, the limit is ${quantilesMax}`,
  );
  refused(
    "it groups by a label twice",
    { groupBy: ["site", "model", "site"] },
    invalid,
    'group_by has "site", empty or twice',
    "name each label once",
  );
  refused("it groups by a label without a name", { groupBy: [""] }, invalid, 'group_by has "", empty or twice');
  refused(
    "it groups by too many labels",
    { groupBy: Object.keys(labels(groupLabelsMax + 1)) },
    invalid,
    `group_by has ${groupLabelsMax + 1} entries, the limit is ${groupLabelsMax}`,
  );

  it("is not one with as many labels, quantiles and labels to group by as may be", async () => {
    const id = newDevice();
    const most = { ...labels(labelsMax - 1), ["constructor" as string]: "press" };
    await push(server(), id, 1, [1, 2], { labels: most });
    const { windows } = await read(server(), {
      from: at(dayMs),
      to: at(dayMs + 1),
      tier: durationFromMs(windowMs),
      selector: { deviceIds: [id], labels: most },
      quantiles: Array(quantilesMax).fill(1),
      groupBy: [...Object.keys(labels(groupLabelsMax - 1)), "constructor"],
    });
    const group = { ...labels(groupLabelsMax - 1), constructor: "press" };
    expect(windows).toMatchObject([{ deviceId: "", group, count: 2, quantiles: Array(quantilesMax).fill(2) }]);
  });

  it("is not one that groups by a label that no device has, whatever its name", async () => {
    const id = newDevice();
    await push(server(), id, 1, [1, 2]);
    const { windows } = await read(server(), { ...range([id]), groupBy: ["constructor"] });
    expect(windows).toMatchObject([{ group: { constructor: "" }, count: 2 }]);
  });

  refused(
    "a device id is empty",
    { selector: { deviceIds: ["a", ""] } },
    invalid,
    "selector.device_ids has an empty entry",
  );
});

describe("a range without a tier", () => {
  function chooses(name: string, points: number, spanMs: number, widthMs: number) {
    it(`has the finest tier that gives at most the points asked for: ${name}`, async () => {
      const id = newDevice();
      await push(server(), id, 1, [1]);
      const { tier: _, ...request } = range([id], { toMs: dayMs + spanMs });
      const { frames } = await read(server(), { ...request, pointsMax: points });
      expect(frames[0]?.tier && durationMs(frames[0].tier)).toBe(widthMs);
    });
  }
  chooses("10 s", 360, hourMs, windowMs);
  chooses("1 min", 359, hourMs, 60_000);
  chooses("1 h", 24, 24 * hourMs, hourMs);
  chooses("1 d", 23, 24 * hourMs, 24 * hourMs);
  chooses("1 d when none does", 1, 240 * hourMs, 24 * hourMs);
  chooses("1,000 points unless told", 0, 1_000 * windowMs, windowMs);
  chooses("1,000 points and no more", 0, 1_000 * windowMs + 1, 60_000);

  it("counts the windows that it touches", () => {
    const touching = { fromMs: dayMs + 5_000, toMs: dayMs + 105_000 };
    expect(autoTier(touching, 10, defaultTiers, dayMs).widthMs).toBe(60_000);
    expect(autoTier(touching, 11, defaultTiers, dayMs).widthMs).toBe(windowMs);
  });

  it("leaves out the tiers that do not keep the start of the range any more", () => {
    const tiers = [{ widthMs: windowMs, retentionMs: hourMs }, { widthMs: 60_000 }];
    const f = (agoMs: number) => autoTier({ fromMs: dayMs - agoMs, toMs: dayMs }, 1_000, tiers, dayMs).widthMs;
    expect(f(hourMs)).toBe(windowMs);
    expect(f(hourMs + 1)).toBe(60_000);
  });
});

describe("a batch far in the past", () => {
  it("goes into its windows of every tier", async () => {
    const id = newDevice();
    const timeMs = Date.UTC(1969, 11, 31, 23, 59, 59, 999);
    await server().ingest.pushBatch({
      registration: registration(id),
      payload: { case: "batch", value: batch(1, [1, 2], { timeMs }) },
    });
    for (const { widthMs } of defaultTiers) {
      const { windows } = await read(server(), range([id], { fromMs: timeMs, toMs: 1, tierMs: widthMs }));
      expect(windows.map(({ startMs, sum }) => [startMs, sum])).toEqual([
        [-widthMs, 1],
        [0, 2],
      ]);
    }
  });
});
