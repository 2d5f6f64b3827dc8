import { parentPort, workerData } from "node:worker_threads";
import type { ThreadReply } from "../lib/base/thread-calls.ts";
import { openSqliteJournal } from "../lib/store/sqlite/sqlite-journal-reader.ts";
import { openSqliteReader } from "../lib/store/sqlite/sqlite-reader.ts";
import { RangeAnswer } from "./range-answer.ts";
import type { ReaderCalls, ReaderOptions, ToReader } from "./reader-messages.ts";
import { SampleAnswer } from "./sample-answer.ts";
import { SampleScan } from "./sample-scan.ts";

/** A reader thread: answers one call at a time from its own read-only connection. Started by `Reader`. */

if (parentPort === null) throw new Error("this module is a worker thread");
const port = parentPort;
const { dataDir, tiers } = workerData as ReaderOptions;
const reader = openSqliteReader(dataDir, tiers);
const ranges = new Map<number, RangeAnswer>();
const scan = new SampleScan(openSqliteJournal(dataDir));
const samples = new Map<number, SampleAnswer>();

const calls: ReaderCalls = {
  devices: (after, limit) => reader.devices(after, limit),
  series: (selector, after, limit) => reader.series(selector, after, limit),
  unknownDevices: (deviceIds) => reader.unknownDevices(deviceIds),
  openRange: (range, request) => void ranges.set(range, new RangeAnswer(reader, request)),
  nextPage: (range, windowsMax) => ranges.get(range)?.next(windowsMax),
  closeRange: (range) => void ranges.delete(range),
  openSamples: (id, request) => void samples.set(id, new SampleAnswer(scan, reader, request)),
  nextSamples: (id, samplesMax) => samples.get(id)?.next(samplesMax),
  closeSamples: (id) => void samples.delete(id),
};

port.on("message", (message: ToReader) => {
  if (message.name === "close") {
    reader.close();
    scan.journal.close();
    port.close();
    return;
  }
  const { id, name, args } = message;
  try {
    const result = (calls[name] as (...args: unknown[]) => unknown)(...args);
    port.postMessage({ id, result } satisfies ThreadReply);
  } catch (error) {
    port.postMessage({ id, error } satisfies ThreadReply);
  }
});
