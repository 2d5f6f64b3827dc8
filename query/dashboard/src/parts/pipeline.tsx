import type { Hop } from "../../../../proto/gen/telemetry/v1/admin_service_pb.js";
import { bytesText, numberText } from "../chart/number-text.ts";

/** What each hop of GetStatus is, for people. */
const hopTexts: Readonly<Record<string, string>> = {
  calls: "read from the fullest call, not acked yet",
  writer: "of all calls, on the way to disk",
  tables: "open windows in memory",
  subscribers: "not taken by the slowest watchers yet",
};

export interface PipelineProps {
  /** What is said of those who send. */
  readonly senders: string;
  readonly hops: readonly Hop[];
  /** Name of a hop; empty: none. */
  readonly slowest: string;
}

/** Who slows whom: the hops in the data's way, each with how full it is. */
export function Pipeline({ senders, hops, slowest }: PipelineProps) {
  return (
    <ol class="pipeline" aria-label="The way of the data">
      <li class="stage card">
        <strong>devices</strong>
        <span class="hint">{senders}</span>
      </li>
      {hops.map((hop) => (
        <HopBox key={hop.name} hop={hop} isSlowest={hop.name === slowest} />
      ))}
    </ol>
  );
}

function HopBox({ hop: { name, used, limit, unit }, isSlowest }: { readonly hop: Hop; readonly isSlowest: boolean }) {
  const share = limit === 0n ? 0 : Math.min(1, Number(used) / Number(limit));
  return (
    <li class={isSlowest ? "stage hop hop-slowest card" : "stage hop card"}>
      <strong>
        {name} {isSlowest && <span class="hop-word">&#9888;&#xFE0E; slowest</span>}
      </strong>
      <span class="hint">{hopTexts[name] ?? unit}</span>
      <svg class="hop-level" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">
        <rect class="hop-room" width="100" height="8" />
        <rect class="hop-used" width={Math.max(0.5, share * 100).toFixed(1)} height="8" />
      </svg>
      <span class="hop-figures">
        <span>
          {amount(used, unit)} of {amount(limit, unit)}
        </span>{" "}
        <strong>{Math.round(share * 100)} %</strong>
      </span>
    </li>
  );
}

function amount(value: bigint, unit: string): string {
  return unit === "bytes" ? bytesText(Number(value)) : numberText(Number(value));
}
