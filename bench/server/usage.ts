import { existsSync, readFileSync, writeFileSync } from "node:fs";

/** What this process uses, of all its threads. */

export function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

export function rssBytes(): number {
  return process.memoryUsage.rss();
}

const statusFile = "/proc/self/status";

/** The most resident memory since `resetRssPeak`; since the start where the system has no such file. */
export function rssPeakBytes(): number {
  if (!existsSync(statusFile)) return process.resourceUsage().maxRSS * 1024;
  return Number(/VmHWM:\s+(\d+)/.exec(readFileSync(statusFile, "utf8"))?.[1]) * 1024;
}

/** See proc(5): 5 resets the peak resident set size. */
export function resetRssPeak(): void {
  if (existsSync("/proc/self/clear_refs")) writeFileSync("/proc/self/clear_refs", "5");
}
