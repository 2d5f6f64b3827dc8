import { parseDuration } from "../../../../lib/base/duration.ts";
import { formatPick, isName, type Pick, parsePick, picksMax } from "./pick.ts";
import { isRange, rangeDefault, type TimeRange } from "./time-range.ts";

export const pageNames = ["overview", "devices", "device", "explorer", "tail"] as const;
export type PageName = (typeof pageNames)[number];
export const bandNames = ["min-max", "p50-p99", "none"] as const;
export type BandName = (typeof bandNames)[number];
export const zoneNames = ["local", "utc"] as const;
export type ZoneName = (typeof zoneNames)[number];

/** All that a shared link brings back. */
export interface UrlState {
  readonly page: PageName;
  /** Of the device page; empty elsewhere. */
  readonly deviceId: string;
  /** Beginning of a device id. */
  readonly search: string;
  /** `key=value` each, all of which a device has. */
  readonly where: readonly string[];
  readonly range: TimeRange;
  /** `10s`; empty: as the server chooses. */
  readonly tier: string;
  readonly picks: readonly Pick[];
  /** Names of labels. */
  readonly groupBy: readonly string[];
  readonly band: BandName;
  /** Values at which a line is drawn. */
  readonly thresholds: readonly number[];
  readonly zone: ZoneName;
  /** A chart for each series instead of one for all. */
  readonly split: boolean;
}

export const urlStateDefault: UrlState = {
  page: "overview",
  deviceId: "",
  search: "",
  where: [],
  range: rangeDefault,
  tier: "",
  picks: [],
  groupBy: [],
  band: "min-max",
  thresholds: [],
  zone: "local",
  split: false,
};

/** A link is at most so long: browsers and chats cut longer ones. */
const hashLengthMax = 16_384;
const labelsMax = 8;
const thresholdsMax = 8;

export interface ReadUrl {
  readonly state: UrlState;
  /** Names of what was in the link and could not be used. */
  readonly ignored: readonly string[];
}

/** Reads `#/page?...`. A part that cannot be used is left at its default, and named; nothing is thrown. */
export function readUrl(hash: string, nowMs: number): ReadUrl {
  if (hash.length > hashLengthMax) return { state: urlStateDefault, ignored: ["the link, which is too long"] };
  const [path, query = ""] = splitOnce(hash.replace(/^#?\/?/, ""), "?");
  const params = new URLSearchParams(query);
  const ignored: string[] = [];

  function one<T>(name: string, read: (text: string) => T | undefined, otherwise: T): T {
    const text = params.get(name);
    if (text === null) return otherwise;
    const value = read(text);
    if (value === undefined) ignored.push(name);
    return value ?? otherwise;
  }
  function many<T>(name: string, read: (text: string) => T | undefined, countMax: number): readonly T[] {
    const texts = params.getAll(name);
    const values = texts.map(read).filter((value) => value !== undefined);
    if (values.length < texts.length || values.length > countMax) ignored.push(name);
    return values.slice(0, countMax);
  }

  const page = oneOf(pageNames, path);
  if (page === undefined && path !== "") ignored.push("page");
  const deviceId = one("device", nameOf, "");
  const state: UrlState = {
    // A device page without a device has nothing to show.
    page: page === "device" && deviceId === "" ? "devices" : (page ?? "overview"),
    deviceId,
    search: one("search", nameOf, ""),
    where: many("where", (text) => (/^[^=]{1,63}=.{0,256}$/.test(text) ? text : undefined), labelsMax),
    range: rangeOf(params, nowMs, ignored),
    tier: one("tier", tierOf, ""),
    picks: many("pick", parsePick, picksMax),
    groupBy: many("by", (text) => (/^[^=]{1,63}$/.test(text) ? text : undefined), labelsMax),
    band: one("band", (text) => oneOf(bandNames, text), urlStateDefault.band),
    thresholds: many("threshold", numberOf, thresholdsMax),
    zone: one("zone", (text) => oneOf(zoneNames, text), urlStateDefault.zone),
    split: one("split", (text) => (text === "yes" ? true : undefined), false),
  };
  return { state, ignored };
}

/** What `readUrl` reads back: `#/explorer?pick=...`, without what is at its default. */
export function formatUrl(state: UrlState): string {
  const params = new URLSearchParams();
  const set = (name: string, value: string, otherwise: string) => value !== otherwise && params.set(name, value);
  set("device", state.deviceId, "");
  set("search", state.search, "");
  for (const label of state.where) params.append("where", label);
  set("from", state.range.from, rangeDefault.from);
  set("to", state.range.to, rangeDefault.to);
  set("tier", state.tier, "");
  for (const pick of state.picks) params.append("pick", formatPick(pick));
  for (const label of state.groupBy) params.append("by", label);
  set("band", state.band, urlStateDefault.band);
  for (const value of state.thresholds) params.append("threshold", String(value));
  set("zone", state.zone, urlStateDefault.zone);
  if (state.split) params.set("split", "yes");
  const query = params.toString();
  return `#/${state.page}${query === "" ? "" : `?${query}`}`;
}

/** Labels as the server takes them. */
export function labelsOf(where: readonly string[]): Record<string, string> {
  return Object.fromEntries(where.map((label) => splitOnce(label, "=") as [string, string]));
}

function rangeOf(params: URLSearchParams, nowMs: number, ignored: string[]): TimeRange {
  const range = { from: params.get("from") ?? rangeDefault.from, to: params.get("to") ?? rangeDefault.to };
  if (isRange(range, nowMs)) return range;
  ignored.push("from, to");
  return rangeDefault;
}

function tierOf(text: string): string | undefined {
  if (text.length > 16) return undefined;
  try {
    return parseDuration(text, "tier") > 0 ? text : undefined;
  } catch {
    return undefined;
  }
}

function numberOf(text: string): number | undefined {
  const value = Number(text);
  return text.trim() !== "" && Number.isFinite(value) ? value : undefined;
}

function nameOf(text: string): string | undefined {
  return isName(text) ? text : undefined;
}

function oneOf<T extends string>(names: readonly T[], text: string): T | undefined {
  return names.find((name) => name === text);
}

function splitOnce(text: string, separator: string): [string, string | undefined] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + separator.length)];
}
