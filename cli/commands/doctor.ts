import type { Command } from "@commander-js/extra-typings";
import { systemClock } from "../../lib/base/clock.ts";
import { silentLog } from "../../lib/base/log.ts";
import { examine } from "../doctor.ts";
import { exitCode } from "../exit.ts";
import { jsonSetting } from "../options.ts";
import { readServeFlags, withServeFlags } from "../serve-options.ts";
import { formatTable, printJson, printLine } from "../terminal.ts";

export function addDoctor(program: Command): void {
  withServeFlags(
    program
      .command("doctor")
      .description("look whether serve can run well here: configuration, certificates, disk, database, clock"),
  )
    .addOption(jsonSetting())
    .addHelpText(
      "after",
      `
Takes the flags of serve, its environment and its section of the file of --config. Changes nothing, and can be run
beside a server. Ends with 1 when there is a problem; warnings are of what will be one.

Examples:
  $ tidemark doctor --data /var/lib/tidemark
  $ tidemark --config tidemark.json doctor --json | jq 'select(.state != "ok")'`,
    )
    .action(async ({ json, ...flags }) => {
      const findings = await examine(readServeFlags(flags, silentLog), systemClock);
      if (json) for (const finding of findings) printJson(finding);
      else
        for (const line of formatTable(findings.map(({ about, state, text }) => [state, about, text]))) printLine(line);
      if (findings.some(({ state }) => state === "problem")) process.exitCode = exitCode.failed;
    });
}
