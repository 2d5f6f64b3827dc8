import { once } from "node:events";
import { connect, type Socket } from "node:net";

/** HTTP/2 by hand (RFC 9113), for what no library would send. */

export const frameType = {
  data: 0,
  headers: 1,
  priority: 2,
  reset: 3,
  settings: 4,
  ping: 6,
  goaway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;
export const flag = { endStream: 1, ack: 1, endHeaders: 4 } as const;
export const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

export function frame(type: number, flags: number, stream: number, payload: Uint8Array = noBytes): Buffer {
  const bytes = Buffer.allocUnsafe(9 + payload.length);
  bytes.writeUIntBE(payload.length, 0, 3);
  bytes[3] = type;
  bytes[4] = flags;
  bytes.writeUInt32BE(stream, 5);
  bytes.set(payload, 9);
  return bytes;
}

const noBytes = new Uint8Array(0);

export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** Numbered settings and their values. */
export function settings(...pairs: readonly (readonly [number, number])[]): Buffer {
  const payload = Buffer.alloc(pairs.length * 6);
  for (const [i, [name, value]] of pairs.entries()) {
    payload.writeUInt16BE(name, i * 6);
    payload.writeUInt32BE(value, i * 6 + 2);
  }
  return frame(frameType.settings, 0, 0, payload);
}

/** A header block of literals without an index (RFC 7541, 6.2.2). */
export function headerBlock(pairs: readonly (readonly [string, string])[]): Buffer {
  return Buffer.concat(pairs.flatMap(([name, value]) => [Buffer.of(0), literal(name), literal(value)]));
}

/** Those of a gRPC call. */
export function callHeaders(path: string, more: Readonly<Record<string, string>> = {}): Buffer {
  return headerBlock(
    Object.entries({
      ":method": "POST",
      ":scheme": "http",
      ":path": path,
      ":authority": "localhost",
      "content-type": "application/grpc",
      te: "trailers",
      ...more,
    }),
  );
}

/** A message with its head of gRPC. */
export function grpcMessage(bytes: Uint8Array, isCompressed = false): Buffer {
  return Buffer.concat([Buffer.of(isCompressed ? 1 : 0), uint32(bytes.length), bytes]);
}

/** DATA of any length, in frames of the size that all must take. */
export function dataFrames(stream: number, bytes: Uint8Array, flags: number = flag.endStream): Buffer {
  const frames: Buffer[] = [];
  for (let at = 0; at === 0 || at < bytes.length; at += frameBytesMax) {
    const piece = bytes.subarray(at, at + frameBytesMax);
    frames.push(frame(frameType.data, at + frameBytesMax >= bytes.length ? flags : 0, stream, piece));
  }
  return Buffer.concat(frames);
}

export const frameBytesMax = 16_384;

/** A call of one message. */
export function call(stream: number, headers: Uint8Array, message: Uint8Array): Buffer {
  return Buffer.concat([frame(frameType.headers, flag.endHeaders, stream, headers), dataFrames(stream, message)]);
}

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
}

export class RawHttp2 {
  readonly socket: Socket;
  /** Resolves when the connection has ended, however. */
  readonly closed: Promise<void>;
  /** The error code of the server's GOAWAY. */
  goaway: number | undefined;
  onFrame: (frame: Frame) => void = () => {};
  #bytes: Buffer = Buffer.alloc(0);

  /** @param begin what is sent first; the preface and settings that let the server send as much as it likes unless told otherwise */
  static async connect(address: string, begin: Uint8Array = usualBegin): Promise<RawHttp2> {
    const colon = address.lastIndexOf(":");
    const socket = connect(Number(address.slice(colon + 1)), address.slice(0, colon));
    const connection = new RawHttp2(socket);
    await Promise.race([once(socket, "connect"), connection.closed]);
    if (begin.length > 0) socket.write(begin);
    return connection;
  }

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on("error", () => {});
    socket.setNoDelay();
    this.closed = new Promise((resolve) => socket.once("close", () => resolve()));
    socket.on("data", (bytes: Buffer) => this.#read(bytes));
  }

  get isOpen(): boolean {
    return !this.socket.destroyed && !this.socket.readableEnded;
  }

  /** Resolves when there is room for more, or the connection has ended. */
  async write(bytes: Uint8Array): Promise<void> {
    if (!this.socket.writable || this.socket.write(bytes)) return;
    await new Promise<void>((resolve) => {
      this.socket.once("drain", resolve);
      this.socket.once("close", resolve);
    });
  }

  /** Writes the same again and again. @returns how often it could */
  async flood(times: number, make: (i: number) => Uint8Array): Promise<number> {
    let i = 0;
    for (; i < times && this.socket.writable; ) {
      const until = Math.min(times, i + 500);
      const pieces: Uint8Array[] = [];
      for (; i < until; i += 1) pieces.push(make(i));
      await this.write(Buffer.concat(pieces));
    }
    return i;
  }

  end(): void {
    this.socket.destroy();
  }

  #read(bytes: Buffer): void {
    this.#bytes = this.#bytes.length === 0 ? bytes : Buffer.concat([this.#bytes, bytes]);
    let at = 0;
    for (;;) {
      const end = at + 9 + (this.#bytes.length >= at + 9 ? this.#bytes.readUIntBE(at, 3) : 0);
      if (this.#bytes.length < at + 9 || this.#bytes.length < end) break;
      const head = this.#bytes;
      this.#take({
        type: head[at + 3],
        flags: head[at + 4],
        stream: head.readUInt32BE(at + 5) & 0x7fff_ffff,
        payload: head.subarray(at + 9, end),
      });
      at = end;
    }
    this.#bytes = this.#bytes.subarray(at);
  }

  #take(frame_: Frame): void {
    if (frame_.type === frameType.goaway) this.goaway = frame_.payload.readUInt32BE(4);
    if (frame_.type === frameType.settings && (frame_.flags & flag.ack) === 0 && this.socket.writable)
      this.socket.write(frame(frameType.settings, flag.ack, 0));
    this.onFrame(frame_);
  }
}

/** No table of headers, no window: answers can be read without a state. */
const usualBegin = Buffer.concat([
  preface,
  settings([1, 0], [4, 0x7fff_ffff]),
  frame(frameType.windowUpdate, 0, 0, uint32(0x7fff_ffff - 65_535)),
]);

/** The value of `grpc-status` in a header block that uses no table; undefined: there is none. */
export function grpcStatusOf(block: Buffer): number | undefined {
  for (const name of [statusName, Buffer.from("grpc-status")]) {
    const at = block.indexOf(name);
    if (at < 0) continue;
    const length = block[at + name.length] & 0x7f;
    return Number(block.toString("latin1", at + name.length + 1, at + name.length + 1 + length));
  }
  return undefined;
}

/** `grpc-status` by the Huffman code of RFC 7541; digits are sent as they are, which is no longer. */
const statusName = (() => {
  const codes: Record<string, string> = {
    a: "00011",
    c: "00100",
    g: "100110",
    p: "101011",
    r: "101100",
    s: "01000",
    t: "01001",
    u: "101101",
    "-": "010110",
  };
  const bits = [..."grpc-status"].map((letter) => codes[letter]).join("");
  const padded = bits.padEnd(Math.ceil(bits.length / 8) * 8, "1");
  return Buffer.from(padded.match(/.{8}/g)?.map((byte) => Number.parseInt(byte, 2)) ?? []);
})();

function literal(text: string): Buffer {
  const bytes = Buffer.from(text);
  return Buffer.concat([length(bytes.length), bytes]);
}

/** An integer with a prefix of 7 bits (RFC 7541, 5.1). */
function length(value: number): Buffer {
  if (value < 127) return Buffer.of(value);
  const bytes = [127];
  let left = value - 127;
  for (; left >= 128; left = Math.floor(left / 128)) bytes.push((left % 128) | 128);
  return Buffer.of(...bytes, left);
}
