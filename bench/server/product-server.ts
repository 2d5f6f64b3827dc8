import { describeQuotas, quotasOf } from "../../cli/quota-options.ts";
import { TidemarkServer } from "../../cli/server.ts";
import type { Inlet } from "../../ingest/inlet.ts";
import { defaultQuotas } from "../../ingest/quotas.ts";
import { defaultTiers } from "../../lib/aggregate/tiers.ts";
import { metricHandleMax } from "../../lib/base/limits.ts";
import { silentLog } from "../../lib/base/log.ts";
import { everyMethod } from "../../lib/rpc/gate.ts";
import type { KeyPair } from "../../lib/rpc/tls.ts";
import { NamedService } from "../../proto/gen/bench/v1/named_service_pb.js";
import type { Backend } from "./backend.ts";
import { Door } from "./door.ts";
import { throughDoor } from "./http-door.ts";
import type { BenchServerOptions } from "./messages.ts";
import { namedHandlers } from "./named-service.ts";

/** A load test is not to meet the limits that protect a server from its devices. */
const quotas = quotasOf({
  deviceSeriesMax: metricHandleMax,
  seriesMax: Number.POSITIVE_INFINITY,
  deviceRate: Number.POSITIVE_INFINITY,
  futureMax: defaultQuotas.timeAheadMsMax,
});

/** The product as `tidemark serve` runs it, with a door for batches that carry their names. */
export async function startProduct(
  { dataDir, durability, fault }: BenchServerOptions,
  tls: KeyPair | undefined,
): Promise<Backend> {
  const opened = Promise.withResolvers<{ door: Door; inlet: Inlet }>();
  const server = await TidemarkServer.start({
    dataDir,
    durability,
    fault,
    quotas,
    tls,
    grpc: "127.0.0.1:0",
    tiers: defaultTiers,
    log: silentLog,
    services: (rpc, inlet) => {
      const door = new Door(inlet);
      rpc.add(NamedService, "bytes", namedHandlers(door), everyMethod(NamedService, "ingest"));
      opened.resolve({ door, inlet });
    },
  });
  const { door, inlet } = await opened.promise;
  return {
    address: server.address,
    pragmas: server.pragmas,
    limits: describeQuotas(quotas),
    get bytesInFlight() {
      return inlet.bytesInFlight;
    },
    failed: server.failed,
    take: throughDoor(door),
    stop: () => server.stop(),
  };
}
