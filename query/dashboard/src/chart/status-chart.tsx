import { useMemo } from "preact/hooks";
import { useServices } from "../services.ts";
import { ChartCard } from "./chart-card.tsx";
import { type StatusField, StatusSource } from "./status-source.ts";

export interface StatusChartProps {
  readonly title: string;
  readonly unit: string;
  /** Label of each field that is drawn, the same ones for good. */
  readonly lines: Readonly<Partial<Record<StatusField, string>>>;
}

/** How the server has been doing in the last minutes. */
export function StatusChart({ title, unit, lines }: StatusChartProps) {
  const services = useServices();
  const source = useMemo(() => new StatusSource(services, Object.keys(lines) as StatusField[]), [services, lines]);
  const look = { unit, heightPx: 150, isFromZero: true };
  return <ChartCard title={title} source={source} labels={Object.values(lines)} look={look} />;
}
