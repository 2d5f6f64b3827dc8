import type { EventEmitter } from "node:events";
import type { Http2Server, ServerHttp2Session } from "node:http2";
import { createServer } from "node:net";
import type { Duplex } from "node:stream";
import { createServer as createTlsServer } from "node:tls";
import type { DescService } from "@bufbuild/protobuf";
import {
  logVerbosity,
  Metadata,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerReadableStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  setLogVerbosity,
  type UntypedServiceImplementation,
} from "@grpc/grpc-js";
import { type Access, openAccess } from "../access/access.ts";
import { type Clock, systemClock } from "../base/clock.ts";
import { messageBytesHardMax, receiveWindowBytesDefault, unaryMsMax } from "../base/limits.ts";
import type { Log } from "../base/log.ts";
import { Prng } from "../base/prng.ts";
import { checkRead, type Encoding, methodDefinition } from "./binding.ts";
import { logCalls, type OnCallOver } from "./call-over.ts";
import { carry } from "./carried-call.ts";
import { Connections, type ConnectionTimes } from "./connections.ts";
import { cutCall } from "./cut.ts";
import { boundDecompression } from "./decompression.ts";
import { type CallEnvironment, Direct, type DirectHandler } from "./direct-call.ts";
import { flushed, incoming } from "./flow.ts";
import { Gate, type MethodScopes, principalOf } from "./gate.ts";
import type { CallContext, Handlers } from "./handlers.ts";
import { divert } from "./http2-call.ts";
import { boundConnections, http2ServerOf, setReceiveWindow } from "./http2-servers.ts";
import { observing, unaryDeadline } from "./interceptors.ts";
import { Listener, type ListenerOptions, type Protocol } from "./listener.ts";
import { methodRows, type TableMethod } from "./method-table.ts";
import { toStatus } from "./status.ts";

// grpc-js would write to standard error what we throw or log ourselves.
setLogVerbosity(logVerbosity.NONE);

export interface RpcServerOptions {
  /** What a client may send on a call before it is read. */
  readonly receiveWindowBytes?: number;
  /** Who may call; everyone unless told otherwise. */
  readonly access?: Access;
  readonly connectionTimes?: Partial<ConnectionTimes>;
  /** Told of each call when it is over, beside the log. */
  readonly onCallOver?: OnCallOver;
  /** A unary call that takes longer is ended; `unaryMsMax` by default. */
  readonly unaryMsMax?: number;
}

/** The methods of a server, and what each call of them goes by. */
export interface ServedCalls {
  readonly methods: readonly TableMethod[];
  readonly gate: Gate;
  /** To be told of each call when it is over. */
  readonly onCallOver: OnCallOver;
  readonly clock: Clock;
  readonly unaryMsMax: number;
}

/** What was revoked ends within this time. */
const recheckMs = 1_000;

/** A gRPC server for services over protobuf-es. */
export class RpcServer {
  readonly #server: Server;
  readonly #direct = new Map<string, DirectHandler>();
  readonly #services: DescService[] = [];
  readonly #methods: TableMethod[] = [];
  readonly #listeners: Listener[] = [];
  readonly #log: Log;
  readonly #gate: Gate;
  readonly #connections: Connections;
  readonly #onCallOver: OnCallOver;
  readonly #receiveWindowBytes: number;
  readonly #unaryMsMax: number;
  readonly #rechecks: NodeJS.Timeout;

  constructor(log: Log, options: RpcServerOptions = {}) {
    const { access = openAccess, receiveWindowBytes = receiveWindowBytesDefault, connectionTimes = {} } = options;
    this.#log = log;
    this.#receiveWindowBytes = receiveWindowBytes;
    this.#unaryMsMax = options.unaryMsMax ?? unaryMsMax;
    this.#gate = new Gate(access);
    this.#connections = new Connections(connectionTimes, systemClock, new Prng(systemClock.nowMs()));
    const logCall = logCalls(log, systemClock);
    this.#onCallOver = (call) => {
      logCall(call);
      options.onCallOver?.(call);
    };
    this.#server = new Server({
      "grpc.max_receive_message_length": messageBytesHardMax,
      // A gateway carries its devices over few streams; a client that opens more has a leak.
      "grpc.max_concurrent_streams": 10_000,
      "grpc.keepalive_time_ms": 60_000,
      "grpc.keepalive_timeout_ms": 20_000,
      // From the wire to the handler.
      interceptors: [
        boundDecompression(observing(this.#onCallOver, systemClock), log),
        unaryDeadline(this.#unaryMsMax, log),
        this.#gate.interceptor(log),
      ],
    });
    boundConnections(this.#server);
    this.#rechecks = setInterval(() => this.#gate.recheck(), recheckMs).unref();
  }

  /** Those that were added, also later. */
  get services(): readonly DescService[] {
    return this.#services;
  }

  /** What another protocol needs to serve the same methods. Those that were added, also later. */
  get calls(): ServedCalls {
    return {
      methods: this.#methods,
      gate: this.#gate,
      onCallOver: this.#onCallOver,
      clock: systemClock,
      unaryMsMax: this.#unaryMsMax,
    };
  }

  /** Adds a service. Call before `listen`. @param scopes what each of its methods needs */
  add<S extends DescService, E extends Encoding>(
    service: S,
    encoding: E,
    handlers: Handlers<S, E>,
    scopes: MethodScopes<NoInfer<S>>,
  ): void {
    const definition: Record<string, ReturnType<typeof methodDefinition>> = {};
    const implementation: UntypedServiceImplementation = {};
    for (const row of methodRows(service, encoding, handlers, scopes)) {
      const { desc, path, scope } = row;
      const name = desc.localName;
      definition[name] = methodDefinition(desc, encoding);
      const handler = handlers[name as keyof typeof handlers] as never;
      this.#gate.setScope(path, scope);
      if ((handler as unknown) instanceof Direct) this.#direct.set(path, (handler as Direct).handler);
      implementation[name] = { unary, server_streaming, client_streaming, bidi_streaming }[desc.methodKind](
        handler,
        this.#context,
      );
      this.#methods.push(row);
    }
    this.#server.addService(definition, implementation);
    this.#services.push(service);
  }

  /**
   * @param address `HOST:PORT`; port 0 takes a free one
   * @throws TelemetryError when the address cannot be had
   */
  async listen(address: string, options: ListenerOptions = {}): Promise<Listener> {
    const injector = this.#server.createConnectionInjector(ServerCredentials.createInsecure());
    const http2 = http2ServerOf(this.#server);
    // Before calls: they look for their connection.
    this.#connections.watch(http2);
    divert(http2, this.#direct, this.#context);
    setReceiveWindow(http2, this.#receiveWindowBytes);
    const listener = await Listener.listen(
      address,
      options,
      grpcOver(http2, (socket) => injector.injectConnection(socket)),
    );
    this.#listeners.push(listener);
    return listener;
  }

  /** Takes no new calls and waits for those under way; after `graceMs` they are cut. */
  async close(graceMs: number): Promise<void> {
    const closed = this.#listeners.map((listener) => listener.close());
    const timer = setTimeout(() => {
      this.#server.forceShutdown();
      // A session that was closing waits for its client to read what is left, which it may never do.
      for (const listener of this.#listeners) listener.cut();
    }, graceMs);
    // It waits for a session for ever whose client has sent nonsense: the connections tell.
    this.#server.tryShutdown(() => {});
    await Promise.all(closed);
    clearTimeout(timer);
    clearInterval(this.#rechecks);
    this.#connections.close();
  }

  get #context(): CallEnvironment {
    return {
      gate: this.#gate,
      connections: this.#connections,
      onCallOver: this.#onCallOver,
      clock: systemClock,
      log: this.#log,
    };
  }
}

/** A connection makes sense when its client has sent the settings that HTTP/2 begins with. */
function grpcOver(http2: Http2Server, inject: (socket: Duplex) => void): Protocol {
  return {
    name: "h2",
    createServer: (tls) =>
      tls === undefined ? createServer({ noDelay: true }) : createTlsServer({ ...tls, noDelay: true }),
    take: (socket) =>
      new Promise((resolve) => {
        const onSession = (session: ServerHttp2Session) => session.once("remoteSettings", () => resolve());
        http2.once("session", onSession);
        inject(socket);
        http2.off("session", onSession);
      }),
  };
}

/** What every kind of call has. */
interface AnyCall extends EventEmitter {
  readonly cancelled: boolean;
  readonly metadata: Metadata;
  getPeer(): string;
}

/** One for all: an exception of its own, with its stack, took a twentieth of a unary call. */
const callOver = new Error("the call is over");

function contextOf(call: AnyCall, { connections }: CallEnvironment): CallContext {
  const controller = new AbortController();
  // Fires after success too: it means that the call is over.
  call.on("cancelled", () => controller.abort(callOver));
  if (call.cancelled) controller.abort(callOver);
  return {
    signal: controller.signal,
    principal: principalOf(call.metadata),
    get draining() {
      return connections.draining(call.getPeer());
    },
    cut: () => cutCall(call),
  };
}

type Callback = (error: object | null, response?: unknown) => void;

/** A handler's promise is not awaited by grpc-js: each wrapper sees to it that one status is sent. */
function answer(handled: Promise<unknown>, callback: Callback, log: Log): void {
  handled.then(
    (response) => callback(null, response),
    (error: unknown) => callback(toStatus(error, log)),
  );
}

function unary(handler: (request: unknown, context: CallContext) => Promise<unknown>, shared: CallEnvironment) {
  return (call: ServerUnaryCall<unknown, unknown>, callback: Callback) =>
    answer(
      attempt(async () => await handler(checkRead(call.request), contextOf(call, shared))),
      callback,
      shared.log,
    );
}

function client_streaming(
  handler: (requests: AsyncIterable<unknown>, context: CallContext) => Promise<unknown>,
  shared: CallEnvironment,
) {
  return (call: ServerReadableStream<unknown, unknown>, callback: Callback) => {
    const context = contextOf(call, shared);
    call.sendMetadata(new Metadata());
    answer(
      attempt(() => handler(incoming(call, context.signal), context)),
      callback,
      shared.log,
    );
  };
}

function server_streaming(
  handler: (request: unknown, context: CallContext) => AsyncIterable<unknown>,
  shared: CallEnvironment,
) {
  return (call: ServerWritableStream<unknown, unknown>) => {
    const context = contextOf(call, shared);
    void respond(call, () => handler(checkRead(call.request), context), context.signal, shared.log);
  };
}

function bidi_streaming(
  handler: Direct | ((requests: AsyncIterable<unknown>, context: CallContext) => AsyncIterable<unknown>),
  shared: CallEnvironment,
) {
  return (call: ServerDuplexStream<unknown, unknown>) => {
    // A client keeps what it has sent, for a retry, until it sees the headers.
    call.sendMetadata(new Metadata());
    if (handler instanceof Direct) {
      carry(call, handler.handler, principalOf(call.metadata), shared);
      return;
    }
    const context = contextOf(call, shared);
    void respond(call, () => handler(incoming(call, context.signal), context), context.signal, shared.log);
  };
}

/** Writes what the handler yields, then the one status. */
async function respond(
  call: ServerWritableStream<unknown, unknown> | ServerDuplexStream<unknown, unknown>,
  start: () => AsyncIterable<unknown>,
  signal: AbortSignal,
  log: Log,
): Promise<void> {
  try {
    for await (const response of start()) await flushed(call, response, signal);
    if (!signal.aborted) call.end();
  } catch (error) {
    // Nobody is left to tell.
    if (signal.aborted) return;
    call.emit("error", toStatus(error, log));
  }
}

async function attempt<T>(run: () => Promise<T>): Promise<T> {
  return await run();
}
