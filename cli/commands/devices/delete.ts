import { Argument, type Command } from "@commander-js/extra-typings";
import { DeviceService } from "../../../proto/gen/telemetry/v1/device_service_pb.js";
import { connect } from "../../connect.ts";
import { setting } from "../../options.ts";
import { withServerFlags } from "../../server-flags.ts";
import { printLine } from "../../terminal.ts";

export function addDelete(devices: Command): void {
  withServerFlags(
    devices
      .command("delete")
      .description("delete a device with its series and all their windows")
      .addArgument(new Argument("<device>", "id of the device")),
  )
    .addOption(setting("--force", "also when it is connected"))
    .addHelpText(
      "after",
      `
It is gone at once for everyone who reads; what is stored of it is deleted by and by. Its id stays refused: what still
comes is told DEVICE_DELETED, until the device is created again.

Examples:
  $ tidemark devices delete truck-0042
  $ tidemark devices delete truck-0042 --force`,
    )
    .action(async (deviceId, { force = false, ...server }) => {
      const channel = await connect(server);
      try {
        await channel.client(DeviceService, "messages").deleteDevice({ deviceId, force });
        printLine(`${deviceId}: deleted`);
      } finally {
        channel.close();
      }
    });
}
