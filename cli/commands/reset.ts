import { Argument, type Command } from "@commander-js/extra-typings";
import { AdminService } from "../../proto/gen/telemetry/v1/admin_service_pb.js";
import { connect } from "../connect.ts";
import { withServerFlags } from "../server-flags.ts";
import { printLine } from "../terminal.ts";

export function addReset(program: Command): void {
  withServerFlags(
    program
      .command("reset")
      .description("let whichever spool registers next take a device over")
      .addArgument(new Argument("<device>", "id of the device")),
  )
    .addHelpText(
      "after",
      `
A device belongs to its newest spool; an older one is refused for ever. When that is the one to keep, because two
senders had one id or a spool was thought lost, reset the device, then start the right sender: it goes on where its
session was. What is counted stays counted.

Examples:
  $ tidemark reset truck-0042`,
    )
    .action(async (deviceId, { ...server }) => {
      const channel = await connect(server);
      try {
        await channel.client(AdminService, "messages").resetDevice({ deviceId });
        printLine(`${deviceId}: the next spool that registers takes over`);
      } finally {
        channel.close();
      }
    });
}
