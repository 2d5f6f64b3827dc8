import { deviceHandlers } from "../ingest/device-service.ts";
import { Inlet } from "../ingest/inlet.ts";
import { defaultQuotas, hasRates, type IngestQuotas } from "../ingest/quotas.ts";
import { ingestHandlers } from "../ingest/service.ts";
import { Writer } from "../ingest/writer.ts";
import { type Access, openAccess } from "../lib/access/access.ts";
import type { Tier } from "../lib/aggregate/tiers.ts";
import { systemClock } from "../lib/base/clock.ts";
import { latenessMsDefault, receiveWindowBytesDefault } from "../lib/base/limits.ts";
import type { Log } from "../lib/base/log.ts";
import type { ConnectionTimes } from "../lib/rpc/connections.ts";
import type { Listener, ListenerLimits } from "../lib/rpc/listener.ts";
import { reflectionHandlers } from "../lib/rpc/reflection.ts";
import { RpcServer } from "../lib/rpc/server.ts";
import type { ServerTls } from "../lib/rpc/tls.ts";
import { DeviceFeed } from "../lib/store/device-feed.ts";
import { LiveFeed } from "../lib/store/live-feed.ts";
import type { RawRetention } from "../lib/store/raw-retention.ts";
import type { Durability } from "../lib/store/store.ts";
import { Health as HealthService } from "../proto/gen/grpc/health/v1/health_pb.js";
import { ServerReflection } from "../proto/gen/grpc/reflection/v1/reflection_pb.js";
import { ServerReflection as ServerReflectionV1alpha } from "../proto/gen/grpc/reflection/v1alpha/reflection_pb.js";
import { AdminService } from "../proto/gen/telemetry/v1/admin_service_pb.js";
import { DeviceService } from "../proto/gen/telemetry/v1/device_service_pb.js";
import { IngestService } from "../proto/gen/telemetry/v1/ingest_service_pb.js";
import { QueryService } from "../proto/gen/telemetry/v1/query_service_pb.js";
import { readDevices } from "../query/devices.ts";
import { Reader } from "../query/reader.ts";
import { type QueryOptions, queryHandlers } from "../query/service.ts";
import { Subscriptions } from "../query/subscriptions.ts";
import { adminHandlers } from "./admin-service.ts";
import {
  adminScopes,
  deviceScopes,
  healthScopes,
  ingestScopes,
  queryScopes,
  reflectionScopes,
} from "./method-scopes.ts";
import type { OperatorPort } from "./operator-port.ts";
import { describeQuotas } from "./quota-options.ts";
import { describeRaw } from "./raw-options.ts";
import { Readiness } from "./readiness.ts";
import { describeReceiveWindow } from "./receive-window.ts";
import { describeTiers } from "./tier-options.ts";

export interface ServerOptions {
  readonly dataDir: string;
  /** `HOST:PORT`; port 0 takes a free one. */
  readonly grpc: string;
  /** `HOST:PORT` of the HTTP port, with the services as JSON, metrics and probes; undefined: there is none. */
  readonly http?: string | undefined;
  /** Of both ports. Undefined: plaintext. */
  readonly tls?: ServerTls | undefined;
  readonly connectionTimes?: Partial<ConnectionTimes>;
  /** Finest first. */
  readonly tiers: readonly Tier[];
  readonly log: Log;
  /** What an ack survives; `fsync` by default. */
  readonly durability?: Durability;
  /** How late a sample may be before its window counts as final. */
  readonly latenessMs?: number;
  /** What devices may use; `defaultQuotas` by default. */
  readonly quotas?: IngestQuotas;
  /** A subscriber that has not taken a message for so long is ended. */
  readonly subscriberStalledMsMax?: number;
  /** For how long samples can be read back; undefined: not at all. */
  readonly keepRaw?: RawRetention | undefined;
  /** What a client may send on a call before it is read; `receiveWindowBytesDefault` by default. */
  readonly receiveWindowBytes?: number;
  /** Connections, and the time for them to speak; those of `lib/base/limits.ts` unless told otherwise. */
  readonly connectionLimits?: Partial<ListenerLimits>;
  /** Who may call; everyone unless told otherwise. */
  readonly access?: Access;
  /**
   * Adds further services before gRPC is served. What they put into the inlet is settled and answered as all else.
   */
  readonly services?: (rpc: RpcServer, inlet: Inlet) => void;
  /** A fault on purpose (`lib/base/faults.ts`). */
  readonly fault?: string | undefined;
}

interface Parts {
  readonly listener: Listener;
  readonly operator: OperatorPort | undefined;
  readonly rpc: RpcServer;
  readonly inlet: Inlet;
  readonly writer: Writer;
  readonly reader: Reader;
  readonly ending: AbortController;
  readonly readiness: Readiness;
}

/** Calls that have not ended by themselves this long after the drain are cut. */
const drainGraceMs = 5_000;

/** Ingest and query in one process, over one store. */
export class TidemarkServer {
  /** Where gRPC is served, with its real port. */
  readonly address: string;
  /** Where HTTP is served, with its real port. */
  readonly httpAddress: string | undefined;
  /** Rejects when the server has failed and will ack nothing more. */
  readonly failed: Promise<never>;
  readonly #parts: Parts;

  /** @throws TelemetryError when the store or the address cannot be had */
  static async start({
    dataDir,
    grpc,
    http,
    tls,
    connectionTimes = {},
    tiers,
    log,
    durability = "fsync",
    latenessMs = latenessMsDefault,
    quotas = defaultQuotas,
    subscriberStalledMsMax,
    keepRaw,
    receiveWindowBytes = receiveWindowBytesDefault,
    connectionLimits = {},
    access = openAccess,
    services,
    fault,
  }: ServerOptions): Promise<TidemarkServer> {
    const writer = await Writer.start({ dataDir, tiers, durability, latenessMs, quotas, keepRaw, fault });
    const reader = new Reader({ dataDir, tiers });
    const ending = new AbortController();
    const feed = new LiveFeed({
      watch: (id, filter) => writer.call("watch", id, filter),
      unwatch: (id) => writer.call("unwatch", id),
      follow: (widthMs, windows) => writer.call("follow", widthMs, windows),
    });
    const deviceFeed = new DeviceFeed((watched) => writer.call("watchDevices", watched));
    const inlet = new Inlet(writer, { hasRates: hasRates(quotas) });
    const readiness = new Readiness(log);
    writer.listener = {
      onSettled: (settlements, slabBytes, fairBytes) => inlet.onSettled(settlements, slabBytes, fairBytes),
      onUpdate: (update) => feed.publish(update),
      onDevices: (events) => deviceFeed.publish(events),
      onProblem: (problem) => readiness.setProblem(problem),
    };
    // Its libraries take a while to load, and few need them.
    const operator = http === undefined ? undefined : new (await import("./operator-port.ts")).OperatorPort();
    const rpc = new RpcServer(log, {
      receiveWindowBytes,
      access,
      connectionTimes,
      ...(operator !== undefined && { onCallOver: operator.onCallOver }),
    });
    const clock = systemClock;
    const subscriptions = new Subscriptions(feed, tiers, ending.signal);
    const barrier: QueryOptions["barrier"] = (selector, sessions) => writer.call("barrier", selector, sessions);
    const openWindows: QueryOptions["openWindows"] = {
      copy: (request) => writer.call("copyOpen", request),
      // Nobody waits for it, and the thread may have ended.
      release: (hold) => void writer.call("release", hold).catch(() => {}),
    };
    const standing: QueryOptions["standing"] = (deviceIds) => writer.call("standing", deviceIds);
    rpc.add(IngestService, "bytes", ingestHandlers(inlet), ingestScopes);
    rpc.add(
      QueryService,
      "messages",
      queryHandlers({
        reader,
        subscriptions,
        tiers,
        clock,
        latenessMs,
        barrier,
        keepsRaw: keepRaw !== undefined,
        openWindows,
        standing,
        deviceFeed,
        ending: ending.signal,
        incarnation: writer.ready.incarnation,
        ...(subscriberStalledMsMax !== undefined && { stalledMsMax: subscriberStalledMsMax }),
      }),
      queryScopes,
    );
    const describe = async (deviceId: string) => (await readDevices({ reader, standing }, [deviceId]))[0];
    rpc.add(DeviceService, "messages", deviceHandlers({ writer, describe }), deviceScopes);
    const admin = adminHandlers({ dataDir, inlet, writer, reader, subscriptions, quotas, clock });
    rpc.add(AdminService, "messages", admin, adminScopes);
    rpc.add(HealthService, "messages", readiness.health.handlers(), healthScopes);
    const reflection = reflectionHandlers({ services: rpc.services, ending: ending.signal });
    rpc.add(ServerReflection, "bytes", reflection, reflectionScopes);
    rpc.add(ServerReflectionV1alpha, "bytes", reflection, reflectionScopes);
    services?.(rpc, inlet);
    readiness.start(rpc.services);
    const { recoveredGroups, durability: found } = writer.ready;
    log.info(
      `durability ${found}${recoveredGroups > 0 ? `, ${recoveredGroups} groups recovered from the journal` : ""}`,
    );
    log.info(`tiers: ${describeTiers(tiers, latenessMs)}`);
    log.info(`raw samples: ${describeRaw(keepRaw)}`);
    log.info(`limits: ${describeQuotas(quotas)}`);
    log.info(`receive window: ${describeReceiveWindow(receiveWindowBytes)}`);
    try {
      const listener = await rpc.listen(grpc, { tls, limits: connectionLimits });
      if (http !== undefined) {
        const sources = { dataDir, inlet, writer, subscriptions, isReady: () => readiness.isReady, grpc: listener };
        const { calls } = rpc;
        await operator?.listen(http, sources, { tls, flag: "--http", limits: connectionLimits, access, log, calls });
      }
      return new TidemarkServer({ listener, operator, rpc, inlet, writer, reader, ending, readiness });
    } catch (error) {
      await operator?.close();
      await rpc.close(0);
      await reader.close();
      await writer.close();
      throw error;
    }
  }

  private constructor(parts: Parts) {
    this.address = parts.listener.address;
    this.httpAddress = parts.operator?.address;
    this.#parts = parts;
    this.failed = Promise.race([parts.writer.failed, parts.reader.failed]);
    this.failed.catch(() => parts.readiness.drain());
  }

  /** For new connections; those that there are keep what they have. Throws Error when it cannot be used. */
  setTls(tls: ServerTls): void {
    const { listener, operator } = this.#parts;
    listener.setTls(tls);
    operator?.setTls(tls);
  }

  /** Whether it takes and answers all calls: not while it drains, or can store nothing. */
  get isReady(): boolean {
    return this.#parts.readiness.isReady;
  }

  /** Settings of SQLite, as read back from it. */
  get pragmas(): Readonly<Record<string, string>> {
    return this.#parts.writer.ready.pragmas;
  }

  /** Settles and acks what was read, ends every call, and closes the store. */
  async stop(): Promise<void> {
    const { rpc, operator, inlet, writer, reader, ending, readiness } = this.#parts;
    // First, so that nobody is sent here any more.
    readiness.drain();
    ending.abort();
    inlet.drain();
    await rpc.close(drainGraceMs);
    // Probes are told until then that it drains.
    await operator?.close();
    await reader.close();
    await writer.close();
  }
}
