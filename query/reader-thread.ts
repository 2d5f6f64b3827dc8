import { parentPort, workerData } from "node:worker_threads";
import { systemClock } from "../lib/base/clock.ts";
import { failedReply, type ThreadReply } from "../lib/base/thread-calls.ts";
import { openSqliteJournal } from "../lib/store/sqlite/sqlite-journal-reader.ts";
import { openSqliteReader } from "../lib/store/sqlite/sqlite-reader.ts";
import { encodeSamples } from "../lib/wire/sample-frame.ts";
import { ChangedAnswer } from "./changed-answer.ts";
import { OpenRanges } from "./open-ranges.ts";
import type { ReaderCalls, ReaderOptions, ToReader } from "./reader-messages.ts";
import { SampleAnswer } from "./sample-answer.ts";
import { SampleScan } from "./sample-scan.ts";

/** A reader thread: answers one call at a time from read-only connections. Started by `Reader`. */

if (parentPort === null) throw new Error("this module is a worker thread");
const port = parentPort;
const { dataDir, tiers } = workerData as ReaderOptions;
const reader = openSqliteReader(dataDir, tiers);
const ranges = new OpenRanges(() => openSqliteReader(dataDir, tiers), systemClock);
const changed = new Map<number, ChangedAnswer>();
const expiring = setInterval(() => ranges.expire(), 1_000);
const scan = new SampleScan(openSqliteJournal(dataDir));
const samples = new Map<number, SampleAnswer>();

const calls: ReaderCalls = {
  devices: (after, limit, filter) => reader.devices(after, limit, filter),
  devicesOf: (deviceIds, marks) => reader.devicesOf(deviceIds, marks),
  deviceCount: () => reader.deviceCount(),
  deviceDetail: (deviceId, marks) => reader.deviceDetail(deviceId, marks),
  series: (selector, after, limit) => reader.series(selector, after, limit),
  unknownDevices: (deviceIds) => reader.unknownDevices(deviceIds),
  select: (selector) => reader.select(selector),
  openRange: (range, request, selection, open) => ranges.open(range, request, selection, open),
  nextPage: (range, windowsMax) => ranges.nextPage(range, windowsMax),
  nextFrame: (range, windowsMax, revision) => ranges.nextFrame(range, windowsMax, revision),
  closeRange: (range) => ranges.close(range),
  openChanged: (range, request) => void changed.set(range, new ChangedAnswer(reader, request)),
  nextChanged: (range, windowsMax) => changed.get(range)?.next(windowsMax),
  closeChanged: (range) => void changed.delete(range),
  openSamples: (id, request) => void samples.set(id, new SampleAnswer(scan, reader, request)),
  nextSamples: (id, samplesMax) => {
    const page = samples.get(id)?.next(samplesMax);
    if (page === undefined) return undefined;
    return { samples: page.values.length, keptFromMs: page.keptFromMs, frame: encodeSamples(page) };
  },
  closeSamples: (id) => void samples.delete(id),
};

port.on("message", (message: ToReader) => {
  if (message.name === "close") {
    clearInterval(expiring);
    ranges.closeAll();
    reader.close();
    scan.journal.close();
    port.close();
    return;
  }
  const { id, name, args } = message;
  try {
    const result = (calls[name] as (...args: unknown[]) => unknown)(...args);
    port.postMessage({ id, result } satisfies ThreadReply, transferable(result));
  } catch (error) {
    port.postMessage(failedReply(id, error));
  }
});

/** A frame's buffer is its own: it moves. */
function transferable(result: unknown): ArrayBuffer[] {
  const isFrame = typeof result === "object" && result !== null && "frame" in result;
  return isFrame && result.frame instanceof Uint8Array ? [result.frame.buffer as ArrayBuffer] : [];
}
