import type { DescService } from "@bufbuild/protobuf";
import {
  type CallOptions,
  type ClientOptions,
  compressionAlgorithms,
  Client as GrpcClient,
  type Interceptor,
  Metadata,
} from "@grpc/grpc-js";
import { systemClock } from "../base/clock.ts";
import { TelemetryError } from "../base/errors.ts";
import { messageBytesHardMax } from "../base/limits.ts";
import { type Codec, codecOf, type Encoding, methodPath, methodsOf, type Received, type Sent } from "./binding.ts";
import { credentialsOf } from "./client-credentials.ts";
import { authorizations, type CallReport, deadlines, reports } from "./client-interceptors.ts";
import { outgoing } from "./flow.ts";
import { responsesOf } from "./responses.ts";
import { targetOf, whyUnreachable } from "./server-addresses.ts";
import { noRetries, repeatable, retries, serviceConfig } from "./service-config.ts";
import { fromServiceError } from "./status.ts";
import type { ClientTls } from "./tls.ts";

export interface ClientCallOptions {
  /** Ends the call when aborted. */
  readonly signal?: AbortSignal;
  /** The call fails with DEADLINE_EXCEEDED after this long; undefined: unary calls after that of the channel. */
  readonly timeoutMs?: number;
}

/** The client's side of a bidi call. */
export interface ClientStream<Request, Response> {
  /** Resolves when there is room for the next. @throws TelemetryError CANCELLED when the call is over */
  write(request: Request): Promise<void>;
  /** Nothing more will be written. */
  end(): void;
  /** @throws TelemetryError when the call ends with another status than OK */
  readonly responses: AsyncIterable<Response>;
}

/** The client's side of a client-streaming call. */
export interface ClientUpload<Request, Response> {
  /** Resolves when there is room for the next. @throws TelemetryError CANCELLED when the call is over */
  write(request: Request): Promise<void>;
  /** Closes our side and waits for the answer. @throws TelemetryError */
  finish(): Promise<Response>;
}

/** A service's methods, for a client. Requests are encoded as `E` says, responses always decoded. */
export type Client<S extends DescService, E extends Encoding> = {
  [K in keyof S["method"]]: Method<S["method"][K], E>;
};

type Method<M extends DescService["method"][string], E extends Encoding> = M["methodKind"] extends "unary"
  ? (request: Sent<M["input"], E>, options?: ClientCallOptions) => Promise<Received<M["output"], "messages">>
  : M["methodKind"] extends "server_streaming"
    ? (request: Sent<M["input"], E>, options?: ClientCallOptions) => AsyncIterable<Received<M["output"], "messages">>
    : M["methodKind"] extends "client_streaming"
      ? (options?: ClientCallOptions) => ClientUpload<Sent<M["input"], E>, Received<M["output"], "messages">>
      : (options?: ClientCallOptions) => ClientStream<Sent<M["input"], E>, Received<M["output"], "messages">>;

export interface ChannelOptions {
  /** Undefined: plaintext. */
  readonly tls?: ClientTls | undefined;
  /** The header of that name: `Bearer TOKEN`, or `Basic BASE64`. */
  readonly authorization?: string | undefined;
  /** Compresses requests. Answers never are: grpc-js's server does not. */
  readonly gzip?: boolean;
  /** A unary call fails with DEADLINE_EXCEEDED after this long, all its attempts together; 10 s by default. */
  readonly unaryTimeoutMs?: number;
  /** Whether unary calls that may be repeated are, after UNAVAILABLE and RESOURCE_EXHAUSTED; they are by default. */
  readonly retries?: boolean;
  /** Told of each call when it is over. */
  readonly onCall?: (call: CallReport) => void;
}

const unaryTimeoutMsDefault = 10_000;

/**
 * A connection to a server, shared by the clients made from it; or one to each of several, whose calls take turns.
 *
 * grpc-js keeps what is sent on a call for a retry, up to a bound that is the same for all calls of its client, and a
 * write does not wait until the bound is reached. Streams must not be kept, and unary calls cannot be repeated otherwise:
 * so each service whose methods may be repeated has a client beside that of the streams. All use the same connection
 * (`server-addresses.ts`). Why so: docs/decisions/0021.
 */
export class Channel {
  readonly #address: string;
  readonly #options: ChannelOptions;
  readonly #connect: (retrying: ClientOptions) => GrpcClient;
  readonly #servers: number;
  readonly #plain: GrpcClient;
  /** By service. Made at the first call: most channels have streams only. */
  readonly #retrying = new Map<string, GrpcClient>();
  readonly #interceptors: Interceptor[];
  readonly #unaryInterceptors: Interceptor[];
  readonly #calls = new Map<string, number>();
  #isClosed = false;

  /** @param address `HOST:PORT`, or several: `HOST:PORT,HOST:PORT` */
  constructor(address: string, options: ChannelOptions = {}) {
    this.#address = address;
    this.#options = options;
    const { tls, gzip = false, authorization, unaryTimeoutMs = unaryTimeoutMsDefault } = options;
    const addresses = address.split(",");
    const target = targetOf(address);
    const shown = credentialsOf(tls, addresses);
    const common: ClientOptions = {
      ...(tls?.serverName !== undefined && { "grpc.ssl_target_name_override": tls.serverName }),
      ...(gzip && { "grpc.default_compression_algorithm": compressionAlgorithms.gzip }),
      // A proxy is told one address.
      ...(addresses.length > 1 && { "grpc.enable_http_proxy": 0 }),
      // What may be repeated is ours to say.
      "grpc.service_config_disable_resolution": 1,
      "grpc.max_receive_message_length": messageBytesHardMax,
      "grpc.keepalive_time_ms": 60_000,
      "grpc.keepalive_timeout_ms": 20_000,
      "grpc.initial_reconnect_backoff_ms": 100,
      "grpc.max_reconnect_backoff_ms": 5_000,
    };
    this.#connect = (retrying) => new GrpcClient(target, shown, { ...common, ...retrying });
    this.#servers = addresses.length;
    this.#plain = this.#connect({ ...noRetries, "grpc.service_config": serviceConfig(this.#servers) });
    this.#interceptors = [
      ...(authorization === undefined ? [] : [authorizations(authorization)]),
      reports((call) => this.#onCall(call)),
    ];
    this.#unaryInterceptors = [deadlines(unaryTimeoutMs), ...this.#interceptors];
  }

  /** How many calls are over, by method and status: `/telemetry.v1.QueryService/ListDevices OK`. */
  get calls(): ReadonlyMap<string, number> {
    return this.#calls;
  }

  /** A connection of its own to the same server. */
  another(): Channel {
    return new Channel(this.#address, this.#options);
  }

  client<S extends DescService, E extends Encoding>(service: S, encoding: E): Client<S, E> {
    const client: Record<string, unknown> = {};
    for (const [name, method] of methodsOf(service)) {
      const codec: MethodCodec = {
        path: methodPath(method),
        serialize: codecOf(method.input, encoding).serialize,
        deserialize: codecOf(method.output, "messages").deserialize,
      };
      client[name] = {
        unary: (request: unknown, options?: ClientCallOptions) => this.#unary(service, codec, request, options),
        server_streaming: (request: unknown, options?: ClientCallOptions) => this.#receive(codec, request, options),
        client_streaming: (options?: ClientCallOptions) => this.#upload(codec, options),
        bidi_streaming: (options?: ClientCallOptions) => this.#stream(codec, options),
      }[method.methodKind];
    }
    return client as Client<S, E>;
  }

  /** Resolves when the server has been reached. @throws TelemetryError UNAVAILABLE */
  async ready(timeoutMs: number): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#plain.waitForReady(systemClock.nowMs() + timeoutMs, (error) => {
        if (error === undefined) resolve();
        else reject(error);
      });
    }).catch(async (error: unknown) => {
      throw new TelemetryError("UNAVAILABLE", "UNAVAILABLE", await this.#lastError(), { cause: error });
    });
  }

  /** Why there is no connection: only a call is told. */
  async #lastError(): Promise<string> {
    const { promise, resolve } = Promise.withResolvers<string>();
    const asIs = (message: Buffer) => message;
    const options = callOptions([], { timeoutMs: lastErrorMsMax });
    this.#plain.makeUnaryRequest("/", asIs, asIs, Buffer.alloc(0), new Metadata(), options, (error) =>
      resolve(whyUnreachable(error?.details ?? "")),
    );
    return await promise;
  }

  close(): void {
    this.#isClosed = true;
    this.#plain.close();
    for (const client of this.#retrying.values()) client.close();
  }

  #onCall(call: CallReport): void {
    const key = `${call.path} ${call.status}`;
    this.#calls.set(key, (this.#calls.get(key) ?? 0) + 1);
    this.#options.onCall?.(call);
  }

  /** The client for unary calls of a service. */
  #clientOf(service: DescService): GrpcClient {
    const known = this.#retrying.get(service.typeName);
    if (known !== undefined) return known;
    const methods = repeatable(service);
    // A client that is closed refuses calls; a new one would connect.
    if (methods.length === 0 || this.#options.retries === false || this.#isClosed) return this.#plain;
    const client = this.#connect({ ...retries, "grpc.service_config": serviceConfig(this.#servers, methods) });
    this.#retrying.set(service.typeName, client);
    return client;
  }

  #unary(
    service: DescService,
    { path, serialize, deserialize }: MethodCodec,
    request: unknown,
    options?: ClientCallOptions,
  ): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const call = this.#clientOf(service).makeUnaryRequest(
        path,
        serialize,
        deserialize,
        request,
        new Metadata(),
        callOptions(this.#unaryInterceptors, options),
        (error, response) => (error === null ? resolve(response) : reject(fromServiceError(error))),
      );
      cancelOn(options?.signal, call);
    });
  }

  #receive({ path, serialize, deserialize }: MethodCodec, request: unknown, options?: ClientCallOptions) {
    const call = this.#plain.makeServerStreamRequest(
      path,
      serialize,
      deserialize,
      request,
      new Metadata(),
      callOptions(this.#interceptors, options),
    );
    cancelOn(options?.signal, call);
    return responsesOf(call);
  }

  #upload({ path, serialize, deserialize }: MethodCodec, options?: ClientCallOptions): ClientUpload<unknown, unknown> {
    const over = new AbortController();
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    // Whoever writes and never finishes learns of the failure from `write`.
    promise.catch(() => {});
    const call = this.#plain.makeClientStreamRequest(
      path,
      serialize,
      deserialize,
      new Metadata(),
      callOptions(this.#interceptors, options),
      (error, response) => {
        over.abort();
        if (error === null) resolve(response);
        else reject(fromServiceError(error));
      },
    );
    cancelOn(options?.signal, call);
    return {
      write: (message) => outgoing(call, message, over.signal),
      finish: () => {
        call.end();
        return promise;
      },
    };
  }

  #stream({ path, serialize, deserialize }: MethodCodec, options?: ClientCallOptions): ClientStream<unknown, unknown> {
    const over = new AbortController();
    const call = this.#plain.makeBidiStreamRequest(
      path,
      serialize,
      deserialize,
      new Metadata(),
      callOptions(this.#interceptors, options),
    );
    call.on("status", () => over.abort());
    cancelOn(options?.signal, call);
    return {
      write: (message) => outgoing(call, message, over.signal),
      end: () => call.end(),
      responses: responsesOf(call),
    };
  }
}

const lastErrorMsMax = 1_000;

interface MethodCodec extends Codec {
  readonly path: string;
}

function callOptions(interceptors: Interceptor[], options: ClientCallOptions | undefined): CallOptions {
  const timeoutMs = options?.timeoutMs;
  return { interceptors, ...(timeoutMs !== undefined && { deadline: systemClock.nowMs() + timeoutMs }) };
}

function cancelOn(
  signal: AbortSignal | undefined,
  call: { cancel(): void; on(event: "status", f: () => void): unknown },
) {
  if (signal === undefined) return;
  const cancel = () => call.cancel();
  if (signal.aborted) cancel();
  signal.addEventListener("abort", cancel, { once: true });
  call.on("status", () => signal.removeEventListener("abort", cancel));
}
