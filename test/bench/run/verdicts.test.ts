import { describe, expect, it } from "vitest";
import { cellOf } from "../../../bench/cell.ts";
import type { Figures, Trial } from "../../../bench/results.ts";
import { ceilingKey, judged } from "../../../bench/run/verdicts.ts";
import { benchResults } from "../support/results.ts";

const [example] = benchResults({ scenarios: ["headline"], rounds: 1 }).trials;
const cell = cellOf({ batchSamples: 10 });

const trial = (round: number, figures: Partial<Figures>, rest: Partial<Trial> = {}): Trial => ({
  ...example,
  cell,
  round,
  figures: { ...example.figures, ...figures },
  ...rest,
});
const ceiling = (perSecond: number) => new Map([[ceilingKey(cell), perSecond]]);
const rates = (...perSecond: number[]) =>
  perSecond.map((samplesPerSecond, round) => trial(round, { samplesPerSecond }));

describe("rates of a closed loop", () => {
  it.each([
    ["the median is well below the generator's own", [80, 100, 120], 150, false],
    ["the median is near the generator's own", [80, 100, 120], 149, true],
    ["one trial alone is near it: it counts as the others do", [80, 100, 149], 150, false],
    ["one trial alone is far below it: it stands for nothing", [10, 100, 120], 120, true],
  ])("all count or none: %s", (_, perSecond, alone, isDoubtful) => {
    const doubts = judged(rates(...perSecond), ceiling(alone)).map(({ doubt }) => doubt !== "");
    expect(doubts).toEqual(perSecond.map(() => isDoubtful));
  });

  it("do not count when the generator alone could not be measured", () => {
    expect(judged(rates(100), new Map())[0].doubt).toContain("was not measured");
  });

  it("count when it was not to be measured", () => {
    expect(judged(rates(100), undefined)[0].doubt).toBe("");
  });

  it("tell what the generator reaches, and are doubted by their own cell only", () => {
    const other = { ...trial(0, { samplesPerSecond: 1_000 }), cell: cellOf({ batchSamples: 100 }) };
    const [own, others] = judged([...rates(100), other], new Map([...ceiling(150), [ceilingKey(other.cell), 1_100]]));
    expect([own.figures.ceilingPerSecond, own.doubt]).toEqual([150, ""]);
    expect(others.doubt).not.toBe("");
  });
});

describe("times of an open loop", () => {
  const late = (...ms: number[]) =>
    judged(
      ms.map((generatorLateMs, round) => trial(round, { generatorLateMs, samplesPerSecond: 140 }, { load: 0.8 })),
      ceiling(150),
    ).map(({ doubt }) => doubt);

  it("count when the generator was on time, whatever it reaches in a closed loop", () => {
    expect(late(1, 9.9)).toEqual(["", ""]);
  });

  it("do not count when it was late itself", () => {
    expect(late(1, 12)).toEqual(Array(2).fill("the generator itself was late by up to 12.0 ms (p99)"));
  });
});

describe("a digest that is not as the others'", () => {
  const digests = (...each: string[]) =>
    judged(
      each.map((digest, round) => trial(round, { digest })),
      undefined,
    );

  it("makes its trial invalid, and no other", () => {
    expect(digests("a", "b", "a").map(({ invalid }) => invalid !== "")).toEqual([false, true, false]);
  });

  it("is also none at all", () => {
    expect(digests("a", "", "a").map(({ invalid }) => invalid !== "")).toEqual([false, true, false]);
  });

  it("leaves the reason of a trial that broke", () => {
    const [, broken] = judged(
      [trial(0, { digest: "a" }), trial(1, { digest: "" }, { invalid: "it broke" })],
      undefined,
    );
    expect(broken).toMatchObject({ invalid: "it broke", doubt: "" });
  });
});
