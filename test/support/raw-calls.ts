import { call, type Frame, flag, frame, frameType, grpcStatusOf, RawHttp2, uint32 } from "./raw-http2.ts";

/** What ended a call: its `grpc-status`, or how it ended without one. */
export type Ending = number | "reset" | "cut";

/** Calls of one message each on one connection, as many at once as wanted. */
export class RawCalls {
  readonly connection: RawHttp2;
  readonly #open = new Map<number, (ending: Ending) => void>();
  #next = 1;

  static async connect(address: string): Promise<RawCalls> {
    return new RawCalls(await RawHttp2.connect(address));
  }

  private constructor(connection: RawHttp2) {
    this.connection = connection;
    connection.onFrame = (frame) => this.#onFrame(frame);
    void connection.closed.then(() => {
      for (const resolve of this.#open.values()) resolve("cut");
    });
  }

  /** @param data with its heads of gRPC */
  run(headers: Uint8Array, data: Uint8Array): Promise<Ending> {
    const id = this.#next;
    this.#next += 2;
    const { promise, resolve } = Promise.withResolvers<Ending>();
    this.#open.set(id, resolve);
    if (this.connection.isOpen) this.connection.socket.write(call(id, headers, data));
    else resolve("cut");
    return promise;
  }

  #onFrame({ type, flags, stream, payload }: Frame): void {
    if (type === frameType.data && payload.length > 0)
      this.connection.socket.write(frame(frameType.windowUpdate, 0, 0, uint32(payload.length)));
    const status = type === frameType.headers && (flags & flag.endStream) !== 0 ? grpcStatusOf(payload) : undefined;
    if (status !== undefined) this.#end(stream, status);
    else if (type === frameType.reset) this.#end(stream, "reset");
  }

  #end(stream: number, ending: Ending): void {
    this.#open.get(stream)?.(ending);
    this.#open.delete(stream);
  }
}
