import assert from "node:assert/strict";

/** How the samples of a request are written down. */
export const encodings = ["json-rows", "json-columns", "protobuf-rows", "protobuf-columns"] as const;
export type Encoding = (typeof encodings)[number];

/**
 * How requests travel. The first four carry the names of device and metrics in each request and end in the benchmark
 * server's own door; the last three are the methods of the product's IngestService.
 */
export const ways = [
  "http1",
  "http2",
  "grpc-named-unary",
  "grpc-named-stream",
  "grpc-push",
  "grpc-upload",
  "grpc-stream",
] as const;
export type Way = (typeof ways)[number];

/** One point of the space that is measured: everything that can change the figures but chance. */
export interface Cell {
  readonly way: Way;
  readonly encoding: Encoding;
  /** Samples of one batch, that is, of one device under one sequence. */
  readonly batchSamples: number;
  /** Batches, each of another device, in one message: more than one on `grpc-stream` only. */
  readonly batchesPerMessage: number;
  /** Messages in flight: each is sent when the one before it in its slot is settled. */
  readonly slots: number;
  /** TCP connections that the slots share; HTTP/1.1 needs one per slot. */
  readonly connections: number;
  /** Devices, each of `metrics` series. At least `slots * batchesPerMessage`; a slot's devices take turns. */
  readonly devices: number;
  readonly metrics: number;
  readonly durability: "fsync" | "process";
  /** Requests are compressed. */
  readonly gzip: boolean;
  readonly tls: boolean;
  /** Share of the batches whose samples are up to five minutes late, 0 to 1. */
  readonly late: number;
}

export const defaultCell: Cell = {
  way: "grpc-stream",
  encoding: "protobuf-columns",
  batchSamples: 100,
  batchesPerMessage: 1,
  slots: 64,
  connections: 4,
  devices: 64,
  metrics: 10,
  durability: "fsync",
  gzip: false,
  tls: false,
  late: 0,
};

/** Client-streaming calls are acked at their end: so many messages, of a slot each, make one call. */
export const uploadMessages = 16;

/** A cell from what is not as in `defaultCell`: connections and devices follow from the rest unless they are given. */
export function cellOf(chosen: Partial<Cell>): Cell {
  const cell = { ...defaultCell, ...chosen };
  const connections =
    cell.way === "http1" ? cell.slots : Math.min(chosen.connections ?? defaultCell.connections, cell.slots);
  const devices = Math.max(chosen.devices ?? 0, cell.slots * cell.batchesPerMessage);
  assert(cell.batchesPerMessage === 1 || cell.way === "grpc-stream", "only streams carry several batches in a message");
  assert(cell.encoding === "protobuf-columns" || !cell.way.startsWith("grpc"), "gRPC carries protobuf columns");
  return { ...cell, connections, devices };
}

/** Equal for equal cells, and readable: `http1 json-rows 100x1`, then what is not as usual. */
export function cellName(cell: Cell): string {
  const usual = cellOf({ way: cell.way, slots: cell.slots, batchesPerMessage: cell.batchesPerMessage });
  const extras = [
    cell.slots !== defaultCell.slots && `${cell.slots} slots`,
    cell.connections !== usual.connections && `${cell.connections} connections`,
    cell.devices * cell.metrics !== usual.devices * usual.metrics && `${cell.devices * cell.metrics} series`,
    cell.durability !== "fsync" && cell.durability,
    cell.gzip && "gzip",
    cell.tls && "tls",
    cell.late > 0 && `${cell.late * 100} % late`,
  ].filter((extra) => extra !== false);
  return [cell.way, cell.encoding, `${cell.batchSamples}x${cell.batchesPerMessage}`, ...extras].join(" ");
}
