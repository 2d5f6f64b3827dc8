import type { DescService } from "@bufbuild/protobuf";
import {
  type CallOptions,
  type ChannelCredentials,
  compressionAlgorithms,
  credentials,
  Client as GrpcClient,
  Metadata,
  type ServiceError,
} from "@grpc/grpc-js";
import { systemClock } from "../base/clock.ts";
import { TelemetryError } from "../base/errors.ts";
import { messageBytesHardMax } from "../base/limits.ts";
import { neverAborted } from "../base/wait.ts";
import { type Codec, codecOf, type Encoding, methodPath, methodsOf, type Received, type Sent } from "./binding.ts";
import { incoming, outgoing } from "./flow.ts";
import { fromServiceError } from "./status.ts";
import type { ClientTls } from "./tls.ts";

export interface ClientCallOptions {
  /** Ends the call when aborted. */
  readonly signal?: AbortSignal;
  /** The call fails with DEADLINE_EXCEEDED after this long. */
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
}

/** A connection to a server, shared by the clients made from it. */
export class Channel {
  readonly #address: string;
  readonly #options: ChannelOptions;
  readonly #client: GrpcClient;

  /** @param address `HOST:PORT` */
  constructor(address: string, options: ChannelOptions = {}) {
    this.#address = address;
    this.#options = options;
    const { tls, gzip = false } = options;
    this.#client = new GrpcClient(address, credentialsOf(tls), {
      ...(tls?.serverName !== undefined && { "grpc.ssl_target_name_override": tls.serverName }),
      ...(gzip && { "grpc.default_compression_algorithm": compressionAlgorithms.gzip }),
      // Channels of equal options share a connection otherwise, and one channel is one connection here.
      "grpc.use_local_subchannel_pool": 1,
      "grpc.max_receive_message_length": messageBytesHardMax,
      // Streams resume by sequence. grpc-js would keep what it has sent until the answer begins.
      "grpc.enable_retries": 0,
      "grpc.per_rpc_retry_buffer_size": 0,
      "grpc.keepalive_time_ms": 60_000,
      "grpc.keepalive_timeout_ms": 20_000,
      "grpc.initial_reconnect_backoff_ms": 100,
      "grpc.max_reconnect_backoff_ms": 5_000,
    });
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
        unary: (request: unknown, options?: ClientCallOptions) => this.#unary(codec, request, options),
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
      this.#client.waitForReady(systemClock.nowMs() + timeoutMs, (error) => {
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
    const options = callOptions({ timeoutMs: lastErrorMsMax });
    this.#client.makeUnaryRequest("/", asIs, asIs, Buffer.alloc(0), new Metadata(), options, (error) =>
      resolve(
        /Last error: (?:Error: )?(.*?)\s*(?:\(\d{4}-.*)?\. Resolution/s.exec(error?.details ?? "")?.[1] ?? "no answer",
      ),
    );
    return await promise;
  }

  close(): void {
    this.#client.close();
  }

  #metadata(): Metadata {
    const metadata = new Metadata();
    const { authorization } = this.#options;
    if (authorization !== undefined) metadata.set("authorization", authorization);
    return metadata;
  }

  #unary(
    { path, serialize, deserialize }: MethodCodec,
    request: unknown,
    options?: ClientCallOptions,
  ): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const call = this.#client.makeUnaryRequest(
        path,
        serialize,
        deserialize,
        request,
        this.#metadata(),
        callOptions(options),
        (error, response) => (error === null ? resolve(response) : reject(fromServiceError(error))),
      );
      cancelOn(options?.signal, call);
    });
  }

  #receive({ path, serialize, deserialize }: MethodCodec, request: unknown, options?: ClientCallOptions) {
    const call = this.#client.makeServerStreamRequest(
      path,
      serialize,
      deserialize,
      request,
      this.#metadata(),
      callOptions(options),
    );
    cancelOn(options?.signal, call);
    return responsesOf(call);
  }

  #upload({ path, serialize, deserialize }: MethodCodec, options?: ClientCallOptions): ClientUpload<unknown, unknown> {
    const over = new AbortController();
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    // Whoever writes and never finishes learns of the failure from `write`.
    promise.catch(() => {});
    const call = this.#client.makeClientStreamRequest(
      path,
      serialize,
      deserialize,
      this.#metadata(),
      callOptions(options),
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
    const call = this.#client.makeBidiStreamRequest(
      path,
      serialize,
      deserialize,
      this.#metadata(),
      callOptions(options),
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

function credentialsOf(tls: ClientTls | undefined): ChannelCredentials {
  if (tls === undefined) return credentials.createInsecure();
  const { ca, pair } = tls;
  const buffer = (pem: string | undefined) => (pem === undefined ? null : Buffer.from(pem));
  return credentials.createSsl(buffer(ca), buffer(pair?.key), buffer(pair?.cert));
}

const lastErrorMsMax = 1_000;

interface MethodCodec extends Codec {
  readonly path: string;
}

type ReadableCall = ReturnType<GrpcClient["makeServerStreamRequest"]> | ReturnType<GrpcClient["makeBidiStreamRequest"]>;

/** Leaving the loop early cancels the call. */
function responsesOf(call: ReadableCall): AsyncIterableIterator<unknown, void> {
  let failure: ServiceError | undefined;
  // From the start: an error before the first read would be thrown at nobody, and then forgotten.
  call.on("error", (error: ServiceError) => {
    failure = error;
  });
  async function* read() {
    try {
      yield* incoming(call, neverAborted);
    } catch (error) {
      if (failure === undefined) throw error;
    } finally {
      call.cancel();
    }
    if (failure !== undefined) throw fromServiceError(failure);
  }
  const reading = read();
  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    next: () => reading.next(),
    // A generator that was never asked for anything would end without its `finally`.
    return: async () => {
      call.cancel();
      return await reading.return();
    },
  };
}

function callOptions(options: ClientCallOptions | undefined): CallOptions {
  return options?.timeoutMs === undefined ? {} : { deadline: systemClock.nowMs() + options.timeoutMs };
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
