import { toJson } from "@bufbuild/protobuf";
import { Argument, type Command } from "@commander-js/extra-typings";
import {
  type DeviceChange,
  DeviceChangeKind,
  DeviceChangeSchema,
  QueryService,
} from "../../../proto/gen/telemetry/v1/query_service_pb.js";
import { connect } from "../../connect.ts";
import { labelsCell, prefixesOf, timeCell } from "../../device-row.ts";
import { untilInterrupted } from "../../interrupt.ts";
import { jsonSetting, setting } from "../../options.ts";
import { withServerFlags } from "../../server-flags.ts";
import { printJson, printLine } from "../../terminal.ts";
import { whereSetting } from "../query.ts";

export function addWatchDevices(devices: Command): void {
  withServerFlags(
    devices
      .command("watch")
      .description("show what happens to devices")
      .addArgument(new Argument("[pattern...]", "those whose ids begin so: 'truck-*'")),
    { several: true },
  )
    .addOption(whereSetting())
    .addOption(setting("--changes-only", "without the devices that there are"))
    .addOption(jsonSetting())
    .addHelpText(
      "after",
      `
First the devices that there are, then each change: created, appeared (its first registration), updated, connected,
silent, disconnected, superseded (a newer spool has taken over), deleted. On a terminal a line of text for each;
otherwise, and with --json, a line of JSON. Ends with Ctrl-C.

Examples:
  $ tidemark devices watch
  $ tidemark devices watch 'truck-*' --changes-only
  $ tidemark devices watch --json | jq -r 'select(.kind == "DEVICE_CHANGE_KIND_SILENT") | .device.deviceId'`,
    )
    .action(async (patterns, { where = {}, changesOnly = false, json, ...server }) => {
      const filter = { deviceIdPrefixes: prefixesOf(patterns), labels: { ...where } };
      const signal = untilInterrupted();
      const channel = await connect(server);
      const asText = process.stdout.isTTY && !json;
      try {
        const client = channel.client(QueryService, "messages");
        for await (const { event } of client.watchDevices({ ...filter, changesOnly }, { signal })) {
          if (event.case !== "change") continue;
          if (asText) printLine(changeLine(event.value));
          else printJson(toJson(DeviceChangeSchema, event.value));
        }
      } catch (error) {
        if (!signal.aborted) throw error;
      } finally {
        channel.close();
      }
    });
}

function changeLine({ kind, device, time }: DeviceChange): string {
  const name = DeviceChangeKind[kind].toLowerCase().padEnd("disconnected".length);
  return `${timeCell(time)}  ${name}  ${device?.deviceId ?? ""}  ${labelsCell(device?.labels ?? {})}`.trimEnd();
}
