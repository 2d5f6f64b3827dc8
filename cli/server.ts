import { deviceHandlers } from "../ingest/device-service.ts";
import { Inlet } from "../ingest/inlet.ts";
import { defaultQuotas, type IngestQuotas } from "../ingest/quotas.ts";
import { ingestHandlers } from "../ingest/service.ts";
import { Writer } from "../ingest/writer.ts";
import { type Access, openAccess } from "../lib/access/access.ts";
import type { Tier } from "../lib/aggregate/tiers.ts";
import { systemClock } from "../lib/base/clock.ts";
import { latenessMsDefault, receiveWindowBytesDefault } from "../lib/base/limits.ts";
import type { Log } from "../lib/base/log.ts";
import type { Listener } from "../lib/rpc/listener.ts";
import { RpcServer } from "../lib/rpc/server.ts";
import type { ServerTls } from "../lib/rpc/tls.ts";
import { DeviceFeed } from "../lib/store/device-feed.ts";
import { LiveFeed } from "../lib/store/live-feed.ts";
import type { RawRetention } from "../lib/store/raw-retention.ts";
import type { Durability } from "../lib/store/store.ts";
import { AdminService } from "../proto/gen/telemetry/v1/admin_service_pb.js";
import { DeviceService } from "../proto/gen/telemetry/v1/device_service_pb.js";
import { IngestService } from "../proto/gen/telemetry/v1/ingest_service_pb.js";
import { QueryService } from "../proto/gen/telemetry/v1/query_service_pb.js";
import { readDevices } from "../query/devices.ts";
import { Reader } from "../query/reader.ts";
import { type QueryOptions, queryHandlers } from "../query/service.ts";
import { Subscriptions } from "../query/subscriptions.ts";
import { adminHandlers } from "./admin-service.ts";
import { adminScopes, deviceScopes, ingestScopes, queryScopes } from "./method-scopes.ts";
import { describeQuotas } from "./quota-options.ts";
import { describeRaw } from "./raw-options.ts";
import { describeReceiveWindow } from "./receive-window.ts";
import { describeTiers } from "./tier-options.ts";

export interface ServerOptions {
  readonly dataDir: string;
  /** `HOST:PORT`; port 0 takes a free one. */
  readonly grpc: string;
  /** Undefined: plaintext. */
  readonly tls?: ServerTls | undefined;
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
  readonly rpc: RpcServer;
  readonly inlet: Inlet;
  readonly writer: Writer;
  readonly reader: Reader;
  readonly ending: AbortController;
}

/** Calls that have not ended by themselves this long after the drain are cut. */
const drainGraceMs = 5_000;

/** Ingest and query in one process, over one store. */
export class TidemarkServer {
  /** Where gRPC is served, with its real port. */
  readonly address: string;
  /** Rejects when the server has failed and will ack nothing more. */
  readonly failed: Promise<never>;
  readonly #parts: Parts;

  /** @throws TelemetryError when the store or the address cannot be had */
  static async start({
    dataDir,
    grpc,
    tls,
    tiers,
    log,
    durability = "fsync",
    latenessMs = latenessMsDefault,
    quotas = defaultQuotas,
    subscriberStalledMsMax,
    keepRaw,
    receiveWindowBytes = receiveWindowBytesDefault,
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
    const inlet = new Inlet(writer, { hasRates: quotas.samplesPerSecondMax !== Number.POSITIVE_INFINITY });
    writer.listener = {
      onSettled: (settlements, slabBytes) => inlet.onSettled(settlements, slabBytes),
      onUpdate: (update) => feed.publish(update),
      onDevices: (events) => deviceFeed.publish(events),
    };
    const rpc = new RpcServer(log, { receiveWindowBytes, access });
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
    const admin = adminHandlers({ dataDir, inlet, writer, subscriptions, quotas, clock });
    rpc.add(AdminService, "messages", admin, adminScopes);
    services?.(rpc, inlet);
    const { recoveredGroups, durability: found } = writer.ready;
    log.info(
      `durability ${found}${recoveredGroups > 0 ? `, ${recoveredGroups} groups recovered from the journal` : ""}`,
    );
    log.info(`tiers: ${describeTiers(tiers, latenessMs)}`);
    log.info(`raw samples: ${describeRaw(keepRaw)}`);
    log.info(`limits: ${describeQuotas(quotas)}`);
    log.info(`receive window: ${describeReceiveWindow(receiveWindowBytes)}`);
    try {
      const listener = await rpc.listen(grpc, { tls });
      return new TidemarkServer({ listener, rpc, inlet, writer, reader, ending });
    } catch (error) {
      await reader.close();
      await writer.close();
      throw error;
    }
  }

  private constructor(parts: Parts) {
    this.address = parts.listener.address;
    this.#parts = parts;
    this.failed = Promise.race([parts.writer.failed, parts.reader.failed]);
    this.failed.catch(() => {});
  }

  /** For new connections; those that there are keep what they have. Throws Error when it cannot be used. */
  setTls(tls: ServerTls): void {
    this.#parts.listener.setTls(tls);
  }

  /** Settings of SQLite, as read back from it. */
  get pragmas(): Readonly<Record<string, string>> {
    return this.#parts.writer.ready.pragmas;
  }

  /** Settles and acks what was read, ends every call, and closes the store. */
  async stop(): Promise<void> {
    const { rpc, inlet, writer, reader, ending } = this.#parts;
    ending.abort();
    inlet.drain();
    await rpc.close(drainGraceMs);
    await reader.close();
    await writer.close();
  }
}
