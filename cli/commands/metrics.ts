import { toJson } from "@bufbuild/protobuf";
import type { Command } from "@commander-js/extra-typings";
import { pageSizeMax } from "../../lib/base/limits.ts";
import type { Client } from "../../lib/rpc/client.ts";
import { MetricKind } from "../../proto/gen/telemetry/v1/metric_pb.js";
import {
  type ListMetricsResponse,
  type Metric,
  MetricSchema,
  QueryService,
} from "../../proto/gen/telemetry/v1/query_service_pb.js";
import { connect } from "../connect.ts";
import { jsonSetting } from "../options.ts";
import { withServerFlags } from "../server-flags.ts";
import { fitTable, lineWidth, log, printJson, printLine } from "../terminal.ts";
import { deviceSetting, metricSetting, selectorOf, whereSetting } from "./query.ts";

const heads = ["device", "metric", "kind", "unit", "description"];
/** Columns that a narrow terminal does without, the first one first. */
const dispensable = ["description", "unit"];

export function addMetrics(program: Command): void {
  withServerFlags(program.command("metrics").description("list the metrics of the devices"), { several: true })
    .addOption(deviceSetting())
    .addOption(metricSetting())
    .addOption(whereSetting())
    .addOption(jsonSetting())
    .addHelpText(
      "after",
      `
By device and name. With --json, a line for each.

Examples:
  $ tidemark metrics --device truck-0042
  $ tidemark metrics --device 'truck-*' --metric 'temp*' --where site=north
  $ tidemark metrics --json | jq -r .name | sort | uniq -c`,
    )
    .action(async ({ json, ...names }) => {
      const channel = await connect(names);
      try {
        const rows: string[][] = [];
        for await (const metric of listed(channel.client(QueryService, "messages"), selectorOf(names))) {
          if (json) printJson(toJson(MetricSchema, metric, { alwaysEmitImplicit: true }));
          else rows.push(metricCells(metric));
        }
        if (json) return;
        if (rows.length === 0) {
          log.info("no metrics");
          return;
        }
        const { lines, leftOut } = fitTable([heads, ...rows], lineWidth(), dispensable);
        for (const line of lines) printLine(line);
        if (leftOut.length > 0) log.info(`no room for ${leftOut.join(", ")}: --json has all of them`);
      } finally {
        channel.close();
      }
    });
}

function metricCells({ deviceId, name, kind, unit, description }: Metric): string[] {
  return [deviceId, name, kind === MetricKind.COUNTER ? "counter" : "gauge", unit, description];
}

/** Page by page, until the list is at its end. */
async function* listed(
  client: Client<typeof QueryService, "messages">,
  selector: ReturnType<typeof selectorOf>,
): AsyncGenerator<Metric> {
  for (let pageToken: string | undefined = ""; pageToken !== undefined; ) {
    const request = { selector, pageSize: pageSizeMax, pageToken };
    const page: ListMetricsResponse = await client.listMetrics(request);
    yield* page.metrics;
    pageToken = page.nextPageToken === "" ? undefined : page.nextPageToken;
  }
}
