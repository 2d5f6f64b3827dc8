import { useMemo } from "preact/hooks";
import { useServices } from "../services.ts";
import { ChartCard } from "./chart-card.tsx";
import { SeriesSource } from "./series-source.ts";

export interface ChartLine {
  /** Of `seriesKey`. */
  readonly key: string;
  readonly label: string;
}

export interface TimeChartProps {
  readonly title: string;
  /** For people; empty: not known, or not of all lines. */
  readonly unit: string;
  readonly lines: readonly ChartLine[];
  readonly heightPx: number;
}

/** Series over time with their bands. */
export function TimeChart({ title, unit, lines, heightPx }: TimeChartProps) {
  const services = useServices();
  const of = JSON.stringify(lines);
  // Of is lines by value.
  const source = useMemo(
    () =>
      new SeriesSource(
        services,
        lines.map(({ key }) => key),
      ),
    [services, of],
  );
  const look = { unit, heightPx, isFromZero: false };
  return <ChartCard title={title} source={source} labels={lines.map(({ label }) => label)} look={look} />;
}
