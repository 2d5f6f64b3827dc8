/** A series that somebody chose. */
export interface Pick {
  readonly deviceId: string;
  readonly metric: string;
}

/** More lines than this in a tab nobody tells apart, and one subscription has them all. */
export const picksMax = 64;
/** As the server has it. */
const nameLengthMax = 256;

/** `device/metric`, each part percent-encoded. */
export function formatPick({ deviceId, metric }: Pick): string {
  return `${encodeURIComponent(deviceId)}/${encodeURIComponent(metric)}`;
}

/** @returns undefined when it is none */
export function parsePick(text: string): Pick | undefined {
  const [device, metric, ...rest] = text.split("/");
  if (metric === undefined || rest.length > 0) return undefined;
  try {
    const pick = { deviceId: decodeURIComponent(device), metric: decodeURIComponent(metric) };
    return isName(pick.deviceId) && isName(pick.metric) ? pick : undefined;
  } catch {
    // A percent sign without its digits.
    return undefined;
  }
}

export function isName(text: string): boolean {
  return text.length > 0 && text.length <= nameLengthMax;
}

/** Names a series, of a device or of a group, in this tab. */
export function seriesKey(deviceId: string, metric: string, group: Readonly<Record<string, string>> = {}): string {
  const labels = Object.entries(group).sort(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify([deviceId, metric, ...labels]);
}

export function pickKey({ deviceId, metric }: Pick): string {
  return seriesKey(deviceId, metric);
}

/**
 * The smallest selector that has all of them: each device with each metric. What comes of series that nobody chose is
 * left out by who reads.
 */
export function selectorOf(picks: Iterable<Pick>): { deviceIds: string[]; metricNames: string[] } {
  const deviceIds = new Set<string>();
  const metricNames = new Set<string>();
  for (const { deviceId, metric } of picks) {
    deviceIds.add(deviceId);
    metricNames.add(metric);
  }
  return { deviceIds: [...deviceIds].sort(), metricNames: [...metricNames].sort() };
}
