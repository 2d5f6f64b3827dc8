import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { ChartLine } from "../chart/time-chart.tsx";
import { ExportButtons } from "../parts/export-buttons.tsx";
import { RangePicker } from "../parts/range-picker.tsx";
import { type ChartOf, SeriesCharts } from "../parts/series-charts.tsx";
import { SeriesPicker } from "../parts/series-picker.tsx";
import { useServices } from "../services.ts";
import { pickKey } from "../state/pick.ts";

/** How often it is looked which groups there are. */
const groupsLookMs = 1_000;
/** Lines of a group by label that are drawn. */
const groupLinesMax = 40;

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
  const charts: readonly ChartOf[] = split
    ? lines.map((line) => ({ title: line.label, lines: [line] }))
    : [{ title: "Chosen series", lines }];
  return (
    <>
      <h1>Explorer</h1>
      <SeriesPicker />
      <RangePicker />
      <ExportButtons lines={lines} />
      <h2>Charts</h2>
      {picks.length === 0 ? <p>Choose a series to see it.</p> : <SeriesCharts picks={picks} charts={charts} />}
    </>
  );
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
