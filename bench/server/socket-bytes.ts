import { channel } from "node:diagnostics_channel";
import type { Socket } from "node:net";

const accepted = channel("net.server.socket");

/**
 * Bytes of all TCP connections that the servers of this process accept, whichever protocol they speak: what the sockets
 * have read and written, so with headers, frames and, under TLS, its handshakes and records; not those of TCP and IP.
 */
export class SocketBytes {
  readonly #open = new Set<Socket>();
  #received = 0;
  #sent = 0;

  /** Counts from now on. */
  constructor() {
    accepted.subscribe(this.#onAccepted);
  }

  get received(): number {
    let bytes = this.#received;
    for (const socket of this.#open) bytes += socket.bytesRead;
    return bytes;
  }

  get sent(): number {
    let bytes = this.#sent;
    for (const socket of this.#open) bytes += socket.bytesWritten;
    return bytes;
  }

  /** Counts no further connections. */
  stop(): void {
    accepted.unsubscribe(this.#onAccepted);
  }

  readonly #onAccepted = (message: unknown) => {
    const { socket } = message as { socket: Socket };
    this.#open.add(socket);
    socket.once("close", () => {
      this.#open.delete(socket);
      this.#received += socket.bytesRead;
      this.#sent += socket.bytesWritten;
    });
  };
}
