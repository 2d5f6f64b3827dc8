import type { Server, Socket } from "node:net";
import type { TLSSocket, TlsOptions, Server as TlsServer } from "node:tls";
import { errorMessage, TelemetryError } from "../base/errors.ts";
import { hostOf } from "../base/host-port.ts";
import { connectionsMaxDefault, connectionsPerAddressMaxDefault, handshakeMsMaxDefault } from "../base/limits.ts";
import { type ServerTls, tlsVersionMin } from "./tls.ts";

export interface ListenerOptions {
  /** Undefined: plaintext. */
  readonly tls?: ServerTls | undefined;
  /** The flag that the address was given by, for the message when it cannot be had; `--grpc` by default. */
  readonly flag?: string;
  readonly limits?: Partial<ListenerLimits>;
}

export interface ListenerLimits {
  readonly connectionsMax: number;
  readonly connectionsPerAddressMax: number;
  /** Until a connection has said something that makes sense: TLS first. */
  readonly handshakeMsMax: number;
}

/** What was turned away, since the start. */
export interface ConnectionRefusals {
  /** There were too many connections already, in all or of its address. */
  full: number;
  /** It did not say in time what it wants. */
  silent: number;
  /** Its TLS handshake has failed. */
  handshake: number;
  /** It has shown no certificate where it must, or one that is not valid, or of another authority. */
  certificate: number;
}

/** What is spoken on the connections of a listener. */
export interface Protocol {
  /** By which TLS offers it (ALPN). */
  readonly name: "h2" | "http/1.1";
  /** @param tls undefined: plaintext */
  createServer(tls: TlsOptions | undefined): Server | TlsServer;
  /** Takes a connection that may come in. @returns resolves when it has said something that makes sense */
  take(socket: Socket | TLSSocket): Promise<void>;
}

/**
 * Where connections come in: TLS, and bounds on them, before anything else looks at them. A connection that is turned
 * away is cut: whoever has so many does not read what it would be told.
 */
export class Listener {
  /** `HOST:PORT`, with its real port. */
  readonly address: string;
  readonly refusals: ConnectionRefusals = { full: 0, silent: 0, handshake: 0, certificate: 0 };
  readonly #server: Server | TlsServer;
  readonly #protocol: Protocol;
  readonly #limits: ListenerLimits;
  /** Of clients. */
  readonly #certificates: "none" | "optional" | "required" = "none";
  readonly #sockets = new Set<Socket>();
  /** By name of a connection, what cuts it while it has said nothing. */
  readonly #silent = new Map<string, NodeJS.Timeout>();
  readonly #byAddress = new Map<string, number>();

  /**
   * @param address `HOST:PORT`; port 0 takes a free one
   * @throws TelemetryError when the address cannot be had
   */
  static async listen(address: string, options: ListenerOptions, protocol: Protocol): Promise<Listener> {
    const colon = address.lastIndexOf(":");
    const { tls } = options;
    const server = protocol.createServer(
      tls && {
        ...contextOf(tls),
        ALPNProtocols: [protocol.name],
        requestCert: tls.clientCa !== undefined,
        // Looked at below, where it is counted.
        rejectUnauthorized: false,
      },
    );
    try {
      await new Promise<void>((resolve, reject) => {
        server.once("error", reject);
        server.listen(Number(address.slice(colon + 1)), hostOf(address), () => resolve());
      });
    } catch (error) {
      const inUse = errorMessage(error).includes("EADDRINUSE");
      throw new TelemetryError(
        "UNAVAILABLE",
        "ADDRESS_UNAVAILABLE",
        `cannot listen on ${address}: ${inUse ? "it is in use" : errorMessage(error)}; stop what uses it, or name another with ${options.flag ?? "--grpc"}`,
        { cause: error },
      );
    }
    const { port } = server.address() as { port: number };
    return new Listener(`${address.slice(0, colon)}:${port}`, server, options, protocol);
  }

  private constructor(
    address: string,
    server: Server | TlsServer,
    { tls, limits }: ListenerOptions,
    protocol: Protocol,
  ) {
    this.address = address;
    this.#server = server;
    this.#protocol = protocol;
    this.#limits = {
      connectionsMax: connectionsMaxDefault,
      connectionsPerAddressMax: connectionsPerAddressMaxDefault,
      handshakeMsMax: handshakeMsMaxDefault,
      ...limits,
    };
    server.on("error", () => {});
    server.on("connection", (socket: Socket) => this.#admit(socket, tls !== undefined));
    if (tls?.clientCa !== undefined) this.#certificates = tls.clientsMayHaveNone === true ? "optional" : "required";
    server.on("secureConnection", (socket: TLSSocket) => this.#onSecure(socket));
    server.on("tlsClientError", () => {
      this.refusals.handshake += 1;
    });
  }

  /** Connections that there are. */
  get connections(): number {
    return this.#sockets.size;
  }

  /** For new connections; those that there are keep what they have. Throws Error when it cannot be used. */
  setTls(tls: ServerTls): void {
    (this.#server as TlsServer).setSecureContext(contextOf(tls));
  }

  /** Takes no more connections. Resolves when those that there are have ended, or were cut after `graceMs`. */
  async close(graceMs?: number): Promise<void> {
    const timer = graceMs === undefined ? undefined : setTimeout(() => this.cut(), graceMs);
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
    clearTimeout(timer);
  }

  /** Cuts those that there are. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  #admit(socket: Socket, isTls: boolean): void {
    socket.on("error", () => {});
    const { remoteAddress = "" } = socket;
    const ofAddress = (this.#byAddress.get(remoteAddress) ?? 0) + 1;
    if (this.#sockets.size >= this.#limits.connectionsMax || ofAddress > this.#limits.connectionsPerAddressMax) {
      this.refusals.full += 1;
      socket.destroy();
      return;
    }
    const name = nameOf(socket);
    const timer = setTimeout(() => {
      this.refusals.silent += 1;
      socket.destroy();
    }, this.#limits.handshakeMsMax);
    this.#sockets.add(socket);
    this.#byAddress.set(remoteAddress, ofAddress);
    this.#silent.set(name, timer);
    socket.once("close", () => {
      clearTimeout(timer);
      this.#sockets.delete(socket);
      this.#silent.delete(name);
      const left = (this.#byAddress.get(remoteAddress) ?? 1) - 1;
      if (left === 0) this.#byAddress.delete(remoteAddress);
      else this.#byAddress.set(remoteAddress, left);
    });
    if (!isTls) this.#handOn(socket);
  }

  #onSecure(socket: TLSSocket): void {
    socket.on("error", () => {});
    const isNeeded = this.#certificates === "required" || socket.getPeerX509Certificate() !== undefined;
    if (this.#certificates !== "none" && isNeeded && !socket.authorized) {
      this.refusals.certificate += 1;
      socket.destroy();
    } else this.#handOn(socket);
  }

  #handOn(socket: Socket | TLSSocket): void {
    const timer = this.#silent.get(nameOf(socket));
    this.#protocol.take(socket).then(
      () => clearTimeout(timer),
      () => socket.destroy(),
    );
  }
}

/** Of a connection, which TLS has another object for. */
function nameOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}

function contextOf({ cert, key, clientCa }: ServerTls) {
  return { cert, key, minVersion: tlsVersionMin, ...(clientCa !== undefined && { ca: clientCa }) } as const;
}
