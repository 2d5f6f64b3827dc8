import { invalidField, TelemetryError } from "../lib/base/errors.ts";
import { formatTime } from "../lib/base/time.ts";
import type { DisorderOptions } from "./disorder.ts";
import type { FleetOptions } from "./fleet.ts";
import type { DiskSpools } from "./uplink/disk-spools.ts";

/** What decides which samples a fleet makes, and in which order. */
export type FleetChoice = Pick<
  FleetOptions,
  "devices" | "metrics" | "intervalMs" | "batchSamples" | "seed" | "integers" | "idPrefix"
> &
  Partial<Pick<DisorderOptions, "outOfOrderRate" | "lateMsMax" | "missingRate">> & {
    /** Decides as soon as readings are held back: at its end all of them are sent. */
    readonly batches?: number;
    /** Undefined: now, or as before. */
    readonly startMs: number | undefined;
  };

/** When a fleet began: in the time of its samples, and by the clock. */
export interface FleetStart {
  readonly startMs: number;
  readonly startedAtMs: number;
}

const flags: Readonly<Record<Exclude<keyof FleetChoice, "startMs">, string>> = {
  devices: "--devices",
  metrics: "--metrics",
  intervalMs: "--interval",
  batchSamples: "--batch-samples",
  seed: "--seed",
  integers: "--integers",
  idPrefix: "--id-prefix",
  outOfOrderRate: "--out-of-order",
  lateMsMax: "--late-by",
  missingRate: "--missing",
  batches: "--batches",
};

/** Keeps what a fleet is started with beside its spools, so that it can make the same samples again. */
export function rememberFleet(spools: DiskSpools, choice: FleetChoice, start: FleetStart): void {
  spools.setOptions(asText({ ...choice, ...start }));
}

/**
 * @returns how the fleet of the spools was started; undefined: the spools are new
 * @throws TelemetryError when the spools belong to a fleet with other samples: its sequences would come
 * again with other bytes
 */
export function recallFleet(spools: DiskSpools, choice: FleetChoice): FleetStart | undefined {
  const kept = spools.options();
  if (Object.keys(kept).length === 0) return undefined;
  for (const [name, flag] of Object.entries(flags) as [keyof typeof flags, string][]) {
    const asked = choice[name] === undefined ? undefined : String(choice[name]);
    if (asked !== kept[name]) throw otherFleet(flag, asked, kept[name]);
  }
  const startMs = Number(kept["startMs"]);
  if (!Number.isFinite(startMs)) throw new TelemetryError("INTERNAL", "BUG", "the spool does not hold its start");
  if (choice.startMs !== undefined && choice.startMs !== startMs) {
    throw otherFleet("--start", formatTime(choice.startMs), formatTime(startMs));
  }
  return { startMs, startedAtMs: Number(kept["startedAtMs"]) };
}

function asText(values: Readonly<Record<string, unknown>>): Record<string, string> {
  const chosen = Object.entries(values).filter(([, value]) => value !== undefined);
  return Object.fromEntries(chosen.map(([name, value]) => [name, String(value)]));
}

function otherFleet(flag: string, asked: string | undefined, kept: string | undefined): TelemetryError {
  const is = asked === undefined ? "is not given" : `is ${asked}`;
  const before = kept === undefined ? "without it" : `with ${kept}`;
  return invalidField(
    flag,
    `${is}, and the fleet of this spool was started ${before}`,
    `go on ${before}, or name another directory with --spool`,
  );
}
