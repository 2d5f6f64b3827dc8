import { invalidField } from "../lib/base/errors.ts";
import { Aggregate } from "../proto/gen/telemetry/v1/query_service_pb.js";
import { setting } from "./options.ts";

interface Shown {
  /** What the server has to fill for it. */
  readonly needs: readonly Aggregate[];
  /** Columns of a row. */
  readonly columns: readonly string[];
}

const shownByName: Readonly<Record<string, Shown>> = {
  count: { needs: [Aggregate.COUNT], columns: ["count"] },
  sum: { needs: [Aggregate.SUM], columns: ["sum"] },
  mean: { needs: [Aggregate.SUM, Aggregate.COUNT], columns: ["mean"] },
  min: { needs: [Aggregate.MIN], columns: ["min"] },
  max: { needs: [Aggregate.MAX], columns: ["max"] },
  first: { needs: [Aggregate.FIRST], columns: ["first"] },
  last: { needs: [Aggregate.LAST], columns: ["last"] },
  stddev: { needs: [Aggregate.DEVIATION], columns: ["stddev"] },
  increase: { needs: [Aggregate.INCREASE], columns: ["increase", "ratePerSecond", "approximate"] },
};

const names = Object.keys(shownByName);

export const aggregateSetting = () =>
  setting("--aggregate <name>", `only this of each window: ${names.join(", ")}; can be given again`).argParser(
    aggregate,
  );

function aggregate(text: string, before: readonly string[] = []): readonly string[] {
  if (!Object.hasOwn(shownByName, text)) {
    throw invalidField("--aggregate", `is ${JSON.stringify(text)}`, `choose one of ${names.join(", ")}`);
  }
  return [...before, text];
}

/** What to ask of the server. @param chosen none: everything */
export function aggregatesOf(chosen: readonly string[]): Aggregate[] {
  return [...new Set(chosen.flatMap((name) => shownByName[name]?.needs ?? []))];
}

/** The columns of a row that were not chosen. */
export function columnsLeftOut(chosen: readonly string[]): ReadonlySet<string> {
  if (chosen.length === 0) return new Set();
  return new Set(names.filter((name) => !chosen.includes(name)).flatMap((name) => shownByName[name]?.columns ?? []));
}

/** The columns of a row that an answer cannot fill. @param asked of the server; none: everything */
export function columnsMissing(asked: readonly Aggregate[]): ReadonlySet<string> {
  if (asked.length === 0) return new Set();
  const shown = Object.values(shownByName);
  return new Set(
    shown.filter(({ needs }) => !needs.every((need) => asked.includes(need))).flatMap((each) => each.columns),
  );
}
