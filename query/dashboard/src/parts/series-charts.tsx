import { useEffect, useMemo } from "preact/hooks";
import { type ChartLine, TimeChart } from "../chart/time-chart.tsx";
import { useServices } from "../services.ts";
import type { Pick } from "../state/pick.ts";

export interface ChartOf {
  readonly title: string;
  /** Empty: not known, or not of all lines. */
  readonly unit: string;
  readonly lines: readonly ChartLine[];
}

export interface SeriesChartsProps {
  /** The series that the charts need. */
  readonly picks: readonly Pick[];
  readonly charts: readonly ChartOf[];
}

/** Charts, and what the tab's subscription has to have for them. */
export function SeriesCharts({ picks, charts }: SeriesChartsProps) {
  const { feed } = useServices();
  const owner = useMemo(() => Symbol("charts"), []);
  const wanted = JSON.stringify(picks);
  // Wanted is picks by value.
  useEffect(() => feed.want(owner, picks), [feed, owner, wanted]);
  useEffect(() => () => feed.drop(owner), [feed, owner]);
  return (
    <div class="charts">
      {charts.map(({ title, unit, lines }) => (
        <TimeChart key={title} title={title} unit={unit} lines={lines} heightPx={charts.length === 1 ? 320 : 220} />
      ))}
    </div>
  );
}
