import { toJson } from "@bufbuild/protobuf";
import { Argument, type Command } from "@commander-js/extra-typings";
import { DeviceService } from "../../../proto/gen/telemetry/v1/device_service_pb.js";
import { DeviceSchema } from "../../../proto/gen/telemetry/v1/query_service_pb.js";
import { connect } from "../../connect.ts";
import { jsonSetting, setting } from "../../options.ts";
import { withServerFlags } from "../../server-flags.ts";
import { printJson, printLine } from "../../terminal.ts";
import { labelArgument } from "../query.ts";

export const labelSetting = () =>
  setting("--label <label=value>", "a label of the device; can be given again").argParser(labelArgument("--label"));
export const descriptionSetting = () => setting("--description <text>", "what it is, for people");

export function addCreate(devices: Command): void {
  withServerFlags(
    devices
      .command("create")
      .description("make a device ahead of its first data, or let a deleted one begin again")
      .addArgument(new Argument("<device>", "id of the device")),
  )
    .addOption(labelSetting())
    .addOption(descriptionSetting())
    .addOption(jsonSetting())
    .addHelpText(
      "after",
      `
Labels that are set here go over those that the device reports. A device that was deleted begins again with nothing of
before; its spool goes on with its sequence.

Examples:
  $ tidemark devices create truck-0042 --label site=north --description "the blue one"`,
    )
    .action(async (deviceId, { label = {}, description = "", json, ...server }) => {
      const channel = await connect(server);
      try {
        const client = channel.client(DeviceService, "messages");
        const { device } = await client.createDevice({ deviceId, labels: { ...label }, description });
        if (!json) printLine(`${deviceId}: created`);
        else if (device !== undefined) printJson(toJson(DeviceSchema, device, { alwaysEmitImplicit: true }));
      } finally {
        channel.close();
      }
    });
}
