import { toJson } from "@bufbuild/protobuf";
import { Argument, type Command } from "@commander-js/extra-typings";
import { pageSizeMax } from "../../../lib/base/limits.ts";
import type { Client } from "../../../lib/rpc/client.ts";
import {
  type Device,
  DeviceSchema,
  type ListDevicesResponse,
  QueryService,
} from "../../../proto/gen/telemetry/v1/query_service_pb.js";
import { connect } from "../../connect.ts";
import { deviceCells, deviceDispensable, deviceHeads, prefixesOf } from "../../device-row.ts";
import { jsonSetting } from "../../options.ts";
import { withServerFlags } from "../../server-flags.ts";
import { fitTable, lineWidth, log, printJson, printLine } from "../../terminal.ts";
import { whereSetting } from "../query.ts";

export function addList(devices: Command): void {
  withServerFlags(
    devices
      .command("list")
      .description("list the devices by id")
      .addArgument(new Argument("[pattern...]", "those whose ids begin so: 'truck-*'")),
    { several: true },
  )
    .addOption(whereSetting())
    .addOption(jsonSetting())
    .addHelpText(
      "after",
      `
A device is connected while it is registered on a call, silent when it has sent nothing there for the lateness, and
else disconnected. Deleted devices are not listed. With --json, a line for each.

Examples:
  $ tidemark devices list
  $ tidemark devices list 'truck-*' --where site=north
  $ tidemark devices list --json | jq -r 'select(.connection != "DEVICE_CONNECTION_CONNECTED") | .deviceId'`,
    )
    .action(async (patterns, { where = {}, json, ...server }) => {
      const filter = { deviceIdPrefixes: prefixesOf(patterns), labels: { ...where } };
      const channel = await connect(server);
      try {
        const client = channel.client(QueryService, "messages");
        const rows: (string | number)[][] = [];
        for await (const device of listed(client, filter)) {
          if (json) printJson(toJson(DeviceSchema, device, { alwaysEmitImplicit: true }));
          else rows.push(deviceCells(device));
        }
        if (json) return;
        if (rows.length === 0) {
          log.info("no devices");
          return;
        }
        const { lines, leftOut } = fitTable([deviceHeads, ...rows], lineWidth(), deviceDispensable);
        for (const line of lines) printLine(line);
        if (leftOut.length > 0) log.info(`no room for ${leftOut.join(", ")}: --json has all of them`);
      } finally {
        channel.close();
      }
    });
}

interface Filter {
  readonly deviceIdPrefixes: string[];
  readonly labels: Record<string, string>;
}

/** Page by page, until the list is at its end. */
async function* listed(client: Client<typeof QueryService, "messages">, filter: Filter): AsyncGenerator<Device> {
  for (let pageToken: string | undefined = ""; pageToken !== undefined; ) {
    const request = { ...filter, pageSize: pageSizeMax, pageToken };
    const page: ListDevicesResponse = await client.listDevices(request);
    yield* page.devices;
    pageToken = page.nextPageToken === "" ? undefined : page.nextPageToken;
  }
}
