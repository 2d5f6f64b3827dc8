import { createWriteStream } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { Argument, type Command } from "@commander-js/extra-typings";
import { AdminService } from "../../proto/gen/telemetry/v1/admin_service_pb.js";
import { connect } from "../connect.ts";
import { jsonSetting } from "../options.ts";
import { withServerFlags } from "../server-flags.ts";
import { printJson, printLine } from "../terminal.ts";

export function addBackup(program: Command): void {
  withServerFlags(
    program
      .command("backup")
      .description("copy the database of a running server into a file")
      .addArgument(new Argument("<file>", "where to write the copy")),
  )
    .addOption(jsonSetting())
    .addHelpText(
      "after",
      `
The copy is the database at one moment, samples that are kept (serve --keep-raw) included; ingest goes on meanwhile.
FILE appears when it is whole. To restore, start a server in an empty directory that has the copy as tidemark.sqlite:
devices send what they still have, and what was acked after the copy was made becomes recorded gaps.

Examples:
  $ tidemark backup /backups/tidemark.sqlite
  $ mkdir restored && cp /backups/tidemark.sqlite restored/ && tidemark serve --data restored`,
    )
    .action(async (file, { json, ...server }) => {
      const channel = await connect(server);
      const partial = `${file}.partial`;
      let bytes = 0;
      const chunks = async function* () {
        for await (const { data } of channel.client(AdminService, "messages").backUp({})) {
          bytes += data.length;
          yield data;
        }
      };
      try {
        await pipeline(chunks, createWriteStream(partial, { flush: true }));
        await rename(partial, file);
      } catch (error) {
        await rm(partial, { force: true });
        throw error;
      } finally {
        channel.close();
      }
      if (json) printJson({ file, bytes });
      else printLine(`${file}: ${bytes} bytes`);
    });
}
