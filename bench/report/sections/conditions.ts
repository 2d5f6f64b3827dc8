import type { Results } from "../../results.ts";
import { mebibytes } from "../number.ts";
import type { Section } from "../section.ts";

/** What must be known to believe a figure, or to get it again. */
export function conditions(results: Results): Section {
  const { machine } = results;
  const rows = [
    ["machine", `${machine.cpus} x ${machine.cpuModel}, ${mebibytes(machine.memoryBytes)} MiB, ${machine.os}`],
    ["versions", listed(machine.versions)],
    ["SQLite pragmas, read back", listed(results.pragmas)],
    ["limits of the servers", results.limits || "-"],
    ["commit", results.commit || "not a checkout"],
    ["set", results.set],
    ["seed", String(results.seed)],
    ["begun", results.startedAt],
    ["duration", durationText(results.seconds)],
    [
      "trials",
      `${results.trials.length}, of which ${results.trials.filter(({ invalid }) => invalid !== "").length} invalid`,
    ],
  ];
  const columns = ["condition", "value"];
  return {
    id: "conditions",
    title: "Conditions",
    blocks: [{ kind: "table", caption: "Under which conditions it was measured", columns, rows }],
  };
}

function listed(values: Readonly<Record<string, string>>): string {
  return (
    Object.entries(values)
      .map(([name, value]) => `${name} ${value}`)
      .join(", ") || "-"
  );
}

function durationText(seconds: number): string {
  const whole = Math.round(seconds);
  return whole < 60 ? `${whole} s` : `${Math.floor(whole / 60)} min ${whole % 60} s`;
}
