import type { Window } from "../../lib/wire/window-frame.ts";
import { Aggregate } from "../../proto/gen/telemetry/v1/query_service_pb.js";
import { metricName } from "./device.ts";
import { addContent, ExpectedContent, noContent, type SeriesContent } from "./expected-content.ts";
import type { GeneratorPlan, GeneratorReport } from "./messages.ts";
import { readWindows } from "./read-windows.ts";
import { benchDevicePrefix, type Workload } from "./workload.ts";

export type ContentDifferences = Pick<GeneratorReport, "lost" | "duplicated" | "seriesWrong">;

/** A coarse tier: few windows say it all. */
const tierMs = 86_400_000;

/** Holds what the server has counted against what it has acked. Nothing is in flight meanwhile. @throws TelemetryError */
export async function checkContent(
  plan: Pick<GeneratorPlan, "addresses">,
  workload: Workload,
): Promise<ContentDifferences> {
  const found = new Map<string, SeriesContent>();
  const { COUNT, SUM, MIN, MAX } = Aggregate;
  const query = { prefix: benchDevicePrefix, tierMs, aggregates: [COUNT, SUM, MIN, MAX], quantiles: [] };
  for await (const window of readWindows(plan, query)) {
    addWindow(found, window);
  }
  return compareContent(expectedOf(workload), found);
}

/** @param found by `seriesKey` */
export function addWindow(found: Map<string, SeriesContent>, window: Window): void {
  const key = seriesKey(window.deviceId, window.metric);
  const content = found.get(key) ?? noContent();
  found.set(key, content);
  addContent(content, window);
}

/** Both by `seriesKey`. @param found is emptied */
export function compareContent(
  expected: Iterable<readonly [string, SeriesContent]>,
  found: Map<string, SeriesContent>,
): ContentDifferences {
  const differences = { lost: 0, duplicated: 0, seriesWrong: 0 };
  const compare = (want: SeriesContent, have: SeriesContent) => {
    differences.lost += Math.max(0, want.count - have.count);
    differences.duplicated += Math.max(0, have.count - want.count);
    if (!isEqual(want, have)) differences.seriesWrong += 1;
  };
  for (const [key, want] of expected) {
    compare(want, found.get(key) ?? noContent());
    found.delete(key);
  }
  // Nobody has sent what is left.
  for (const have of found.values()) compare(noContent(), have);
  found.clear();
  return differences;
}

export function seriesKey(deviceId: string, metric: string): string {
  return `${deviceId} ${metric}`;
}

function* expectedOf({ devices, bodies, settledBatches }: Workload): Generator<[string, SeriesContent]> {
  const expected = new ExpectedContent(bodies);
  for (const [i, { id }] of devices.entries()) {
    for (const [metric, content] of expected.of(i % bodies.all.length, settledBatches[i])) {
      yield [seriesKey(id, metricName(metric)), content];
    }
  }
}

function isEqual(a: SeriesContent, b: SeriesContent): boolean {
  return a.count === b.count && a.sum === b.sum && a.min === b.min && a.max === b.max;
}
