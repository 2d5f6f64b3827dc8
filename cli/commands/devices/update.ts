import { toJson } from "@bufbuild/protobuf";
import { Argument, type Command } from "@commander-js/extra-typings";
import { invalidField } from "../../../lib/base/errors.ts";
import { DeviceService } from "../../../proto/gen/telemetry/v1/device_service_pb.js";
import { DeviceSchema } from "../../../proto/gen/telemetry/v1/query_service_pb.js";
import { connect } from "../../connect.ts";
import { labelsCell } from "../../device-row.ts";
import { jsonSetting, list, setting } from "../../options.ts";
import { withServerFlags } from "../../server-flags.ts";
import { printJson, printLine } from "../../terminal.ts";
import { descriptionSetting, labelSetting } from "./create.ts";

export function addUpdate(devices: Command): void {
  withServerFlags(
    devices
      .command("update")
      .description("change labels and description of a device")
      .addArgument(new Argument("<device>", "id of the device")),
  )
    .addOption(labelSetting())
    .addOption(setting("--remove-label <label>", "a label that was set here; can be given again").argParser(list))
    .addOption(descriptionSetting())
    .addOption(jsonSetting())
    .addHelpText(
      "after",
      `
Changes what is named, and nothing else. When a label is taken away that was set here, the one that the device reports
shows again.

Examples:
  $ tidemark devices update truck-0042 --label site=south --remove-label owner
  $ tidemark devices update truck-0042 --description ""`,
    )
    .action(async (deviceId, { label = {}, removeLabel = [], description, json, ...server }) => {
      const keys = [...Object.keys(label), ...removeLabel];
      const paths = keys.map((key) => `labels.${key}`);
      if (description !== undefined) paths.push("description");
      if (paths.length === 0) {
        throw invalidField("update", "has nothing to change", "name --label, --remove-label or --description");
      }
      const both = removeLabel.find((key) => Object.hasOwn(label, key));
      if (both !== undefined) {
        throw invalidField("--remove-label", `is ${JSON.stringify(both)}, as --label`, "name it once");
      }
      const channel = await connect(server);
      try {
        const request = { deviceId, labels: { ...label }, description: description ?? "", updateMask: { paths } };
        const { device } = await channel.client(DeviceService, "messages").updateDevice(request);
        if (device === undefined) return;
        if (json) printJson(toJson(DeviceSchema, device, { alwaysEmitImplicit: true }));
        else printLine(`${deviceId}: updated; ${labelsCell(device.labels) || "no labels"}`);
      } finally {
        channel.close();
      }
    });
}
