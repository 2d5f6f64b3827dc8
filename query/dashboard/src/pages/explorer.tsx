import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { MetricKind } from "../../../../proto/gen/telemetry/v1/metric_pb.js";
import { usePoll } from "../api/use-poll.ts";
import { unitText } from "../chart/number-text.ts";
import type { ChartLine } from "../chart/time-chart.tsx";
import { ExportButtons } from "../parts/export-buttons.tsx";
import { RangePicker } from "../parts/range-picker.tsx";
import { type ChartOf, SeriesCharts } from "../parts/series-charts.tsx";
import { SeriesPicker } from "../parts/series-picker.tsx";
import { Suggestions } from "../parts/suggestions.tsx";
import { useServices } from "../services.ts";
import { type Pick, pickKey, selectorOf } from "../state/pick.ts";

/** How often it is looked which groups there are. */
const groupsLookMs = 1_000;
/** Lines of a group by label that are drawn. */
const groupLinesMax = 40;
const unitsPollMs = 60_000;

interface Line extends ChartLine {
  readonly source: string;
  readonly metric: string;
}

/** Any series side by side. */
export function Explorer() {
  const { link } = useServices();
  const { picks, groupBy, split } = link.state.value;
  const groups = useGroupLines(
    picks.map(({ metric }) => metric),
    groupBy.length > 0,
  );
  const lines: readonly Line[] =
    groupBy.length > 0
      ? groups
      : picks.map((pick) => ({
          key: pickKey(pick),
          label: `${pick.deviceId} ${pick.metric}`,
          source: pick.deviceId,
          metric: pick.metric,
        }));
  const unitOf = useUnits(picks);
  const charts: readonly ChartOf[] = split
    ? lines.map((line) => ({ title: line.label, unit: unitOf([line]), lines: [line] }))
    : [{ title: "Chosen series", unit: unitOf(lines), lines }];
  return (
    <>
      <h1>Explorer</h1>
      <div class="toolbar card">
        <SeriesPicker />
        <RangePicker>
          <ExportButtons lines={lines} />
        </RangePicker>
      </div>
      <h2 class="visually-hidden">Charts</h2>
      {picks.length === 0 ? <Suggestions /> : <SeriesCharts picks={picks} charts={charts} />}
    </>
  );
}

/** The unit that all of some lines have; empty where they differ, or it is not known yet. */
function useUnits(picks: readonly Pick[]): (lines: readonly Line[]) => string {
  const { api } = useServices();
  const found = usePoll(JSON.stringify(picks), unitsPollMs, async (signal) => {
    if (picks.length === 0) return new Map<string, string>();
    const { metrics } = await api.query.listMetrics({ selector: selectorOf(picks), pageSize: 1_000 }, { signal });
    return new Map(metrics.map(({ name, unit, kind }) => [name, unitText(unit, kind === MetricKind.COUNTER)]));
  });
  return (lines) => {
    const units = new Set(lines.map(({ metric }) => found.value.value?.get(metric) ?? ""));
    return units.size === 1 ? [...units][0] : "";
  };
}

/** The groups that came, as lines; it renders anew only when others come. */
function useGroupLines(metrics: readonly string[], isGrouped: boolean): readonly Line[] {
  const { store } = useServices();
  const known = useSignal("[]");
  const wanted = JSON.stringify(metrics);
  // Wanted is metrics by value.
  useEffect(() => {
    if (!isGrouped) return;
    const look = () => {
      const keys = [...store.keys].filter((key) => {
        const [deviceId, metric] = JSON.parse(key) as string[];
        return deviceId === "" && metrics.includes(metric);
      });
      known.value = JSON.stringify(keys.sort().slice(0, groupLinesMax));
    };
    look();
    const timer = setInterval(look, groupsLookMs);
    return () => clearInterval(timer);
  }, [store, known, wanted, isGrouped]);
  return (JSON.parse(known.value) as string[]).map((key) => {
    const [, metric, ...labels] = JSON.parse(key) as [string, string, ...[string, string][]];
    const source = labels.map(([name, value]) => `${name}=${value === "" ? "none" : value}`).join(" ");
    return { key, label: `${source} ${metric}`, source, metric };
  });
}
