import type { Way } from "../cell.ts";
import type { Sender } from "./sender.ts";
import { Http1Transport } from "./transport/http1-transport.ts";
import { Http2Transport } from "./transport/http2-transport.ts";
import { StreamTransport } from "./transport/stream-transport.ts";
import type { Transport, TransportOptions } from "./transport/transport.ts";
import { UnaryTransport } from "./transport/unary-transport.ts";
import { UploadTransport } from "./transport/upload-transport.ts";

const transports: Readonly<Record<Way, new (options: TransportOptions) => Transport>> = {
  http1: Http1Transport,
  http2: Http2Transport,
  "grpc-named-unary": UnaryTransport,
  "grpc-named-stream": StreamTransport,
  "grpc-push": UnaryTransport,
  "grpc-upload": UploadTransport,
  "grpc-stream": StreamTransport,
};

/** A sender that is open, in the cell's way. @throws TelemetryError */
export async function openSender(options: TransportOptions): Promise<Sender> {
  const { source } = options;
  const transport = new transports[options.cell.way](options);
  const sender: Sender = {
    open: () => transport.open(),
    send: async (slot, dueMs) => {
      await transport.carry(slot, source.take(slot, dueMs));
      source.settle(slot);
    },
    close: () => transport.close(),
  };
  try {
    await sender.open();
  } catch (error) {
    await sender.close();
    throw error;
  }
  return sender;
}
