import type { Command } from "@commander-js/extra-typings";
import { Health, HealthCheckResponse_ServingStatus as Status } from "../../proto/gen/grpc/health/v1/health_pb.js";
import { connect } from "../connect.ts";
import { exitCode } from "../exit.ts";
import { setting } from "../options.ts";
import { withServerFlags } from "../server-flags.ts";
import { printLine } from "../terminal.ts";

export function addHealth(program: Command): void {
  withServerFlags(
    program.command("health").description("tell whether a server can be used: for probes, without a token"),
  )
    .addOption(setting("--service <name>", "a service by its full name, or live; the server as a whole by default"))
    .addHelpText(
      "after",
      `
Prints the status by grpc.health.v1, and ends with 0 when it is SERVING, with 1 when it is not.

Examples:
  $ tidemark health
  $ tidemark health --service live
  $ tidemark health --service telemetry.v1.IngestService --address server:50051 --ca certs/ca.crt`,
    )
    .action(async ({ service = "", ...server }) => {
      const channel = await connect(server);
      try {
        const { status } = await channel.client(Health, "messages").check({ service });
        printLine(Status[status]);
        if (status !== Status.SERVING) process.exitCode = exitCode.failed;
      } finally {
        channel.close();
      }
    });
}
