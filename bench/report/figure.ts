import type { Figures } from "../results.ts";
import { large, mebibytes, significant } from "./number.ts";

/** One of the figures that a trial is told by. */
export interface Figure {
  /** With its unit. */
  readonly name: string;
  /** Short: for the head of a column. */
  readonly head: string;
  readonly of: (figures: Figures) => number;
  readonly format: (value: number) => string;
}

export const cpu: Figure = {
  name: "server CPU s per million samples",
  head: "CPU s per M",
  of: (figures) => figures.serverCpuSecondsPerMillion,
  format: significant,
};
export const throughput: Figure = {
  name: "samples/s",
  head: "samples/s",
  of: (figures) => figures.samplesPerSecond,
  format: large,
};
export const bytes: Figure = {
  name: "bytes per sample",
  head: "bytes per sample",
  of: (figures) => figures.bytesPerSample,
  format: significant,
};
export const ackP50: Figure = {
  name: "ack p50 ms",
  head: "ack p50 ms",
  of: (figures) => figures.ackMs.p50,
  format: significant,
};
export const ackP99: Figure = {
  name: "ack p99 ms",
  head: "ack p99 ms",
  of: (figures) => figures.ackMs.p99,
  format: significant,
};
export const ackP999: Figure = {
  name: "ack p99.9 ms",
  head: "ack p99.9 ms",
  of: (figures) => figures.ackMs.p999,
  format: significant,
};
export const rss: Figure = {
  name: "peak RSS MiB",
  head: "peak RSS MiB",
  of: (figures) => figures.serverRssPeakBytes,
  format: mebibytes,
};

/** Those that two runs are compared by. */
export const mainFigures: readonly Figure[] = [cpu, throughput, bytes, ackP50, ackP99, rss];
