import { useSignalEffect } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { useServices } from "../services.ts";
import type { ChartSource } from "./chart-source.ts";
import type { ChartLook } from "./chart-view.ts";
import { LiveChart } from "./live-chart.ts";
import { Swatch } from "./swatch.tsx";
import { TableBehind } from "./table-behind.tsx";

export interface ChartCardProps {
  readonly title: string;
  /** Another one when there are other labels. */
  readonly source: ChartSource;
  readonly labels: readonly string[];
  readonly look: ChartLook;
}

/** Lines over time, a legend with the latest values, and a table behind it. */
export function ChartCard({ title, source, labels, look }: ChartCardProps) {
  const services = useServices();
  const place = useRef<HTMLDivElement>(null);
  const chart = useMemo(
    () => new LiveChart({ services, source, title, labels, look }),
    [services, source, title, look.unit, look.heightPx],
  );

  useEffect(() => (place.current === null ? undefined : chart.start(place.current)), [chart]);
  // What is chosen shows in the next frame; data wait for their second.
  useSignalEffect(() => {
    const { link, isDark, pause } = services;
    void [link.state.value, isDark.value, pause.sinceMs.value];
    chart.soon();
  });

  return (
    <figure class="chart card">
      <figcaption>
        <h3>
          {title} {look.unit !== "" && <span class="hint">{look.unit}</span>}
        </h3>
        <ul class="legend">
          {labels.map((label, i) => (
            <li key={label}>
              <Swatch style={chart.styles[i]} />
              {/* One line by the name of its chart is not named twice, but for who hears it. */}
              <span class={label === title ? "visually-hidden" : "legend-label"}>{label}</span>{" "}
              <span class="reading">{chart.readings[i]}</span>
            </li>
          ))}
        </ul>
      </figcaption>
      <div
        class="plot"
        style={{ minHeight: `${look.heightPx}px` }}
        ref={place}
        role="img"
        aria-label={`${title}: ${labels.join(", ")}. The same figures are in the table below.`}
      />
      <TableBehind table={chart.table} />
    </figure>
  );
}
