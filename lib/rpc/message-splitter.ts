import { TelemetryError } from "../base/errors.ts";

/** Before each message: whether it is compressed, and its length. https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md */
const headBytes = 5;
const noBytes = Buffer.alloc(0);

/** Cuts what comes of a call into its messages. A message that lies in one piece is not copied. */
export class MessageSplitter {
  readonly #messageBytesMax: number;
  #piece: Buffer = noBytes;
  /** What of the piece has been read. */
  #at = 0;
  /** Head and message that lie in more than one piece, as far as they have come. */
  #begun: Buffer = noBytes;
  #begunBytes = 0;
  /** What they come to: known when the head is there. */
  #neededBytes = headBytes;

  /** @param messageBytesMax longer ones are refused as soon as their head is read */
  constructor(messageBytesMax: number) {
    this.#messageBytesMax = messageBytesMax;
  }

  /** Whether a message has begun and not ended. */
  get isInside(): boolean {
    return this.#begunBytes > 0;
  }

  /** Adds a piece, when `next` has none any more. It stays in use while messages of it are. */
  add(piece: Buffer): void {
    this.#piece = piece;
    this.#at = 0;
  }

  /**
   * @returns the next message, without a copy where it can be; undefined: another piece is needed
   * @throws TelemetryError when its head cannot be right
   */
  next(): Buffer | undefined {
    if (this.#begunBytes > 0) return this.#complete();
    const piece = this.#piece;
    const left = piece.length - this.#at;
    if (left >= headBytes) {
      const end = this.#at + this.#lengthOf(piece, this.#at);
      if (end <= piece.length) {
        const message = piece.subarray(this.#at + headBytes, end);
        this.#at = end;
        return message;
      }
      this.#neededBytes = end - this.#at;
    } else this.#neededBytes = headBytes;
    if (left > 0) this.#keep(left);
    return this.#letGo();
  }

  #complete(): Buffer | undefined {
    if (this.#neededBytes === headBytes) {
      this.#keep(Math.min(headBytes - this.#begunBytes, this.#piece.length - this.#at));
      if (this.#begunBytes < headBytes) return this.#letGo();
      this.#neededBytes = this.#lengthOf(this.#begun, 0);
    }
    this.#keep(Math.min(this.#neededBytes - this.#begunBytes, this.#piece.length - this.#at));
    if (this.#begunBytes < this.#neededBytes) return this.#letGo();
    const message = this.#begun.subarray(headBytes, this.#neededBytes);
    this.#begun = noBytes;
    this.#begunBytes = 0;
    return message;
  }

  /** All of the piece is read: it would keep what came with it from the socket in memory. */
  #letGo(): undefined {
    this.#piece = noBytes;
    this.#at = 0;
  }

  /** Keeps a copy of what comes next: memory is taken as it comes, whatever length a head claims. */
  #keep(bytes: number): void {
    const needed = this.#begunBytes + bytes;
    if (needed > this.#begun.length) {
      const grown = Buffer.allocUnsafe(Math.min(Math.max(needed, this.#begun.length * 2), this.#neededBytes));
      this.#begun.copy(grown, 0, 0, this.#begunBytes);
      this.#begun = grown;
    }
    this.#piece.copy(this.#begun, this.#begunBytes, this.#at, this.#at + bytes);
    this.#begunBytes = needed;
    this.#at += bytes;
  }

  /** Of head and message. */
  #lengthOf(bytes: Buffer, at: number): number {
    if (bytes[at] !== 0) {
      throw new TelemetryError(
        "INTERNAL",
        "MALFORMED_FRAME",
        `a message begins with ${bytes[at]}, which says that it is compressed, but the call has no grpc-encoding; send 0`,
      );
    }
    const length = bytes.readUInt32BE(at + 1);
    if (length > this.#messageBytesMax) {
      throw new TelemetryError(
        "RESOURCE_EXHAUSTED",
        "MESSAGE_TOO_LARGE",
        `a message has ${length} bytes, the limit is ${this.#messageBytesMax}; send smaller messages`,
      );
    }
    return headBytes + length;
  }
}

/** One buffer of messages as gRPC sends them, each with its head. */
export function joinMessages(messages: readonly Uint8Array[]): Buffer {
  let length = 0;
  for (const message of messages) length += headBytes + message.length;
  const bytes = Buffer.allocUnsafe(length);
  let at = 0;
  for (const message of messages) {
    bytes[at] = 0;
    bytes.writeUInt32BE(message.length, at + 1);
    bytes.set(message, at + headBytes);
    at += headBytes + message.length;
  }
  return bytes;
}
