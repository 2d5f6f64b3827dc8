import { once } from "node:events";
import * as http from "node:http";
import * as http2 from "node:http2";
import * as https from "node:https";
import type { AddressInfo, Server, Socket } from "node:net";
import { gunzipSync } from "node:zlib";
import { create, toBinary } from "@bufbuild/protobuf";
import { onTestFinished } from "vitest";
import { type Encoding, encodings } from "../../../../bench/cell.ts";
import { silentLog } from "../../../../lib/base/log.ts";
import { everyMethod } from "../../../../lib/rpc/gate.ts";
import { RpcServer } from "../../../../lib/rpc/server.ts";
import type { KeyPair } from "../../../../lib/rpc/tls.ts";
import {
  NamedService,
  type PushNamedRequest,
  PushNamedRequestSchema,
  type StreamNamedRequest,
} from "../../../../proto/gen/bench/v1/named_service_pb.js";
import { type DecodedBatch, decode } from "./decode.ts";

/** Doors that keep what they are sent, for the test to look at, and answer as the benchmark's server does. */
export interface Door {
  readonly address: string;
  /** In the order in which they came. */
  readonly batches: readonly DecodedBatch[];
  /** Those that there have been. */
  readonly connections: number;
}

export interface DoorOptions {
  readonly tls?: KeyPair | undefined;
  /** Undefined: the batch is taken. @param count batches that there have been, with this one */
  readonly refuse?: (count: number) => string | undefined;
  /** Until then a request is not answered; when it fails, its connection is closed instead. */
  readonly held?: () => Promise<void> | undefined;
}

export async function startHttp1(options: DoorOptions = {}): Promise<Door> {
  const { tls } = options;
  const keeper = new Keeper(options);
  const onRequest: http.RequestListener = (request, response) => void keeper.answer(request, response);
  return await keeper.listen(tls === undefined ? http.createServer(onRequest) : https.createServer(tls, onRequest));
}

export async function startHttp2(options: DoorOptions = {}): Promise<Door> {
  const { tls } = options;
  const keeper = new Keeper(options);
  const onRequest = (request: http2.Http2ServerRequest, response: http2.Http2ServerResponse) =>
    void keeper.answer(request, response);
  return await keeper.listen(
    tls === undefined ? http2.createServer(onRequest) : http2.createSecureServer(tls, onRequest),
  );
}

export async function startNamed({ tls }: DoorOptions = {}): Promise<Door> {
  const batches: DecodedBatch[] = [];
  const take = (request: PushNamedRequest | StreamNamedRequest) => {
    // The two requests have the same fields.
    const { $typeName: _, ...fields } = request;
    const bytes = toBinary(PushNamedRequestSchema, create(PushNamedRequestSchema, fields));
    const batch = decode({ way: "grpc-named-unary", encoding: "protobuf-columns" }, bytes);
    batches.push(batch);
    return { deviceHandle: batch.handle ?? 0, ackedSequence: BigInt(batch.sequence) };
  };
  const rpc = new RpcServer(silentLog);
  rpc.add(
    NamedService,
    "messages",
    {
      pushNamed: async (request) => ({ ackedSequence: take(request).ackedSequence }),
      streamNamed: async function* (requests) {
        for await (const request of requests) yield take(request);
      },
    },
    everyMethod(NamedService, "ingest"),
  );
  const { address } = await rpc.listen("127.0.0.1:0", { tls });
  onTestFinished(() => rpc.close(0));
  return { address, batches, connections: 0 };
}

class Keeper implements Door {
  address = "";
  connections = 0;
  readonly batches: DecodedBatch[] = [];
  readonly #options: DoorOptions;

  constructor(options: DoorOptions) {
    this.#options = options;
  }

  async listen(server: Server): Promise<Door> {
    const sockets = new Set<Socket>();
    server.on("connection", (socket: Socket) => {
      this.connections += 1;
      sockets.add(socket);
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    this.address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    onTestFinished(async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    });
    return this;
  }

  async answer(
    request: http.IncomingMessage | http2.Http2ServerRequest,
    response: http.ServerResponse | http2.Http2ServerResponse,
  ): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks);
    const { "content-type": type = "", "content-encoding": coding } = request.headers;
    const encoding = type.replace("application/vnd.tidemark.", "") as Encoding;
    if (request.method !== "POST" || request.url !== "/batches" || !encodings.includes(encoding)) {
      throw new Error(`${request.method} ${request.url} ${type}`);
    }
    this.batches.push(decode({ way: "http1", encoding }, coding === "gzip" ? gunzipSync(body) : body));
    try {
      await this.#options.held?.();
    } catch {
      request.socket.destroy();
      return;
    }
    const refusal = this.#options.refuse?.(this.batches.length);
    response.statusCode = refusal === undefined ? 200 : 400;
    const error = { reason: refusal, message: "metrics[0] is not to be had; send another" };
    (response as http.ServerResponse).end(JSON.stringify(refusal === undefined ? { ackedSequence: 1 } : { error }));
  }
}
