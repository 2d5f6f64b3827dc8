import type { Cell, Encoding, Way } from "../../cell.ts";
import type { Figure } from "../figure.ts";
import { type MeasuredCell, medianIn } from "../measured-cell.ts";
import { withInterval } from "../number.ts";

const encodingNames: Readonly<Record<Encoding, string>> = {
  "json-rows": "JSON rows",
  "json-columns": "JSON columns",
  "protobuf-rows": "protobuf rows",
  "protobuf-columns": "protobuf columns",
};

const wayNames: Readonly<Record<Way, string>> = {
  http1: "HTTP/1.1",
  http2: "HTTP/2",
  "grpc-named-unary": "gRPC unary, names inline",
  "grpc-named-stream": "gRPC stream, names inline",
  "grpc-push": "gRPC PushBatch",
  "grpc-upload": "gRPC UploadBatches",
  "grpc-stream": "gRPC StreamBatches",
};

export function encodingName(encoding: Encoding): string {
  return encodingNames[encoding];
}

/** `JSON rows over HTTP/1.1`, `gRPC StreamBatches, 16 batches per message`. */
export function wireName({ way, encoding, batchesPerMessage }: Cell): string {
  const name = way.startsWith("http") ? `${encodingNames[encoding]} over ${wayNames[way]}` : wayNames[way];
  return batchesPerMessage === 1 ? name : `${name}, ${batchesPerMessage} batches per message`;
}

/** `10x16`: batches of 10 samples, 16 of them in a message. */
export function shapeName({ batchSamples, batchesPerMessage }: Cell): string {
  return `${batchSamples}x${batchesPerMessage}`;
}

/** The median, without its interval. */
export function figureText(measured: MeasuredCell, { of, format }: Figure): string {
  const median = medianIn(measured, of);
  return median === undefined ? "-" : format(median.value);
}

export function figureIntervalText(measured: MeasuredCell, { of, format }: Figure): string {
  const median = medianIn(measured, of);
  return median === undefined ? "-" : withInterval(median, format);
}
