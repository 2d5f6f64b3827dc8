import type { Hop } from "../../../../proto/gen/telemetry/v1/admin_service_pb.js";
import { bytesText, numberText } from "../chart/number-text.ts";

/** What each hop of GetStatus is, for people. */
const hopTexts: Readonly<Record<string, string>> = {
  calls: "the fullest call: read, and not acked yet",
  writer: "all calls: on the way to disk",
  tables: "open windows in memory",
  subscribers: "the fullest selection: not taken by all watchers",
};

/** Who slows whom: the hops in the data's way, each with how full it is. */
export function Pipeline({ hops, slowest }: { readonly hops: readonly Hop[]; readonly slowest: string }) {
  return (
    <ol class="pipeline" aria-label="The way of the data">
      {hops.map((hop) => {
        const share = hop.limit === 0n ? 0 : Math.min(1, Number(hop.used) / Number(hop.limit));
        const isSlowest = hop.name === slowest;
        return (
          <li key={hop.name} class={isSlowest ? "hop hop-slowest" : "hop"}>
            <strong>{hop.name}</strong>
            <span class="hint">{hopTexts[hop.name] ?? ""}</span>
            <svg class="hop-level" viewBox="0 0 100 12" preserveAspectRatio="none" aria-hidden="true">
              <rect class="hop-room" width="100" height="12" />
              <rect class="hop-used" width={Math.max(0.5, share * 100).toFixed(1)} height="12" />
            </svg>
            <span>
              {amount(hop.used, hop.unit)} of {amount(hop.limit, hop.unit)}, {Math.round(share * 100)} %
            </span>
            {isSlowest && <span class="hop-word">holds up those before it</span>}
          </li>
        );
      })}
    </ol>
  );
}

function amount(value: bigint, unit: string): string {
  return unit === "bytes" ? bytesText(Number(value)) : `${numberText(Number(value))} ${unit}`;
}
