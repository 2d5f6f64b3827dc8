import { randomUUID } from "node:crypto";
import { createReadStream } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { type DurationSchema, durationFromMs } from "@bufbuild/protobuf/wkt";
import type { Inlet } from "../ingest/inlet.ts";
import type { IngestQuotas } from "../ingest/quotas.ts";
import type { Writer } from "../ingest/writer.ts";
import type { Clock } from "../lib/base/clock.ts";
import { TelemetryError } from "../lib/base/errors.ts";
import { heldWindowsMax } from "../lib/base/limits.ts";
import type { Handlers } from "../lib/rpc/handlers.ts";
import { everySeries } from "../lib/store/selector.ts";
import type { AdminService, HopSchema, IngestQuotasSchema } from "../proto/gen/telemetry/v1/admin_service_pb.js";
import type { Reader } from "../query/reader.ts";
import type { Subscriptions } from "../query/subscriptions.ts";
import { type ByteHop, byteHops } from "./hops.ts";

export interface AdminOptions {
  readonly dataDir: string;
  readonly inlet: Inlet;
  readonly writer: Writer;
  readonly reader: Reader;
  readonly subscriptions: Subscriptions;
  readonly quotas: IngestQuotas;
  readonly clock: Clock;
}

const backupChunkBytes = 256 * 1024;

/** Status and backup, for those who run the server. */
export function adminHandlers(options: AdminOptions): Handlers<typeof AdminService, "messages"> {
  const { dataDir, inlet, writer, reader, subscriptions, quotas, clock } = options;
  const startedMs = clock.elapsedMs();
  return {
    async getStatus() {
      // Read before the writer answers: while a commit holds it up, these are what one wants to know.
      const { openCalls } = inlet;
      const [calls, waiting, subscribers] = byteHops(inlet, subscriptions).map(byteHop);
      const [p50, p99] = inlet.ackDelays.recent([0.5, 0.99], clock.elapsedMs());
      const [status, devices] = await Promise.all([writer.call("status"), reader.call("deviceCount")]);
      const hops = [calls, waiting, hop("tables", status.heldWindows, heldWindowsMax, "windows"), subscribers];
      return {
        storeIncarnation: Buffer.from(writer.ready.incarnation, "hex"),
        uptime: durationFromMs(Math.round(clock.elapsedMs() - startedMs)),
        durability: writer.ready.durability,
        hops,
        slowestHop: hops.findLast(isHalfFull)?.name ?? "",
        ingestCalls: openCalls,
        samplesCounted: BigInt(status.samplesCounted),
        samplesRefused: BigInt(status.samplesRefused),
        batchesDuplicate: BigInt(status.batchesDuplicate),
        groups: BigInt(status.groups),
        storeMax: durationFromMs(Math.ceil(status.storeMsMax)),
        journalPosition: BigInt(status.position),
        journalGroups: BigInt(status.journalGroups),
        storeProblem: status.problem,
        rssBytes: BigInt(process.memoryUsage.rss()),
        refused: status.refused.map(({ reason, samples, batches }) => ({
          reason,
          samples: BigInt(samples),
          batches: BigInt(batches),
        })),
        rateDelays: BigInt(status.rateDelays),
        series: BigInt(status.series),
        quotas: quotasMessage(quotas),
        ...(!Number.isNaN(p50) && { ackP50: inMicroseconds(p50), ackP99: inMicroseconds(p99) }),
        devices: BigInt(devices),
        devicesConnected: BigInt(status.devices.connected),
        devicesSilent: BigInt(status.devices.silent),
      };
    },

    async resetDevice({ deviceId }) {
      if (await writer.call("resetDevice", deviceId)) return {};
      throw new TelemetryError(
        "NOT_FOUND",
        "DEVICE_NOT_FOUND",
        `device_id: no device ${JSON.stringify(deviceId.slice(0, 100))}; list the devices to see their ids`,
        { field: "device_id" },
      );
    },

    async *backUp() {
      // Everything acked so far, in the tables: the copy needs no replay to be read.
      await writer.call("barrier", everySeries, true);
      const copy = join(dataDir, `backup-${randomUUID()}.tmp`);
      try {
        await writer.call("backUp", copy);
        for await (const data of createReadStream(copy, { highWaterMark: backupChunkBytes })) yield { data };
      } finally {
        await rm(copy, { force: true });
      }
    },
  };
}

type Hop = MessageInitShape<typeof HopSchema> & { name: string; used: bigint; limit: bigint };

function byteHop({ name, used, limit }: ByteHop): Hop {
  return hop(name, used, limit, "bytes");
}

function hop(name: string, used: number, limit: number, unit: string): Hop {
  return { name, used: BigInt(used), limit: BigInt(limit), unit };
}

function quotasMessage(quotas: IngestQuotas): MessageInitShape<typeof IngestQuotasSchema> {
  const orZero = (value: number) => (value === Number.POSITIVE_INFINITY ? 0n : BigInt(value));
  return {
    seriesPerDeviceMax: quotas.seriesPerDeviceMax,
    seriesPerPrincipalMax: orZero(quotas.seriesPerPrincipalMax),
    samplesPerSecondMax: orZero(quotas.samplesPerSecondMax),
    principalSamplesPerSecondMax: orZero(quotas.principalSamplesPerSecondMax),
    futureMax: durationFromMs(quotas.timeAheadMsMax),
  };
}

/** Of milliseconds, rounded up. */
function inMicroseconds(ms: number): MessageInitShape<typeof DurationSchema> {
  const us = Math.ceil(ms * 1_000);
  return { seconds: BigInt(Math.floor(us / 1_000_000)), nanos: (us % 1_000_000) * 1_000 };
}

function isHalfFull({ used, limit }: Hop): boolean {
  return used * 2n >= limit;
}
