import type { Metric } from "../../../../proto/gen/telemetry/v1/query_service_pb.js";
import type { Api } from "./transport.ts";

const pageSize = 1_000;

/** The metrics of a device, by name: at most a page of them. @throws ConnectError */
export async function metricsOf({ query }: Api, deviceId: string, signal: AbortSignal): Promise<readonly Metric[]> {
  const { metrics } = await query.listMetrics({ selector: { deviceIds: [deviceId] }, pageSize }, { signal });
  return metrics;
}
