import { everyMethod, type MethodScopes } from "../lib/rpc/gate.ts";
import { Health } from "../proto/gen/grpc/health/v1/health_pb.js";
import { ServerReflection } from "../proto/gen/grpc/reflection/v1/reflection_pb.js";
import type { AdminService } from "../proto/gen/telemetry/v1/admin_service_pb.js";
import type { DeviceService } from "../proto/gen/telemetry/v1/device_service_pb.js";
import type { IngestService } from "../proto/gen/telemetry/v1/ingest_service_pb.js";
import type { QueryService } from "../proto/gen/telemetry/v1/query_service_pb.js";

/** What each method needs. Reading is `query`; what changes the registry, or copies all there is, is `admin`. */
export const ingestScopes: MethodScopes<typeof IngestService> = {
  pushBatch: "ingest",
  uploadBatches: "ingest",
  streamBatches: "ingest",
};

export const queryScopes: MethodScopes<typeof QueryService> = {
  listDevices: "query",
  getDevice: "query",
  watchDevices: "query",
  listMetrics: "query",
  queryRange: "query",
  subscribe: "query",
  readSamples: "query",
};

export const deviceScopes: MethodScopes<typeof DeviceService> = {
  createDevice: "admin",
  updateDevice: "admin",
  deleteDevice: "admin",
};

export const adminScopes: MethodScopes<typeof AdminService> = {
  getStatus: "query",
  resetDevice: "admin",
  backUp: "admin",
};

/** Probes and tools know no tokens. What these tell is public: the contract, and whether the server can be used. */
export const healthScopes = everyMethod(Health, "open");
export const reflectionScopes = everyMethod(ServerReflection, "open");
