import type { Command } from "@commander-js/extra-typings";
import { silentLog } from "../../lib/base/log.ts";
import { jsonSetting, sectionOfFile } from "../options.ts";
import { readServeFlags, withServeFlags } from "../serve-options.ts";
import { SettingSources } from "../setting-sources.ts";
import { formatTable, printJson, printLine } from "../terminal.ts";

/** Those that say what is printed, not how a server runs. */
const ownFlags = ["json"];

export function addConfig(program: Command): void {
  const command = withServeFlags(
    program.command("config").description("print what serve would run with, and where each setting comes from"),
  )
    .addOption(jsonSetting())
    .addHelpText(
      "after",
      `
Takes the flags of serve, TIDEMARK_<FLAG> of the environment, and the section "serve" of the file of --config: a flag
goes before the environment, that before the file. Nothing is printed of what cannot be used: the error names it.

Examples:
  $ tidemark config
  $ tidemark config --json > tidemark.json           # all settings as a file: tidemark --config tidemark.json serve
  $ tidemark --config tidemark.json config --device-rate off`,
    )
    .action(({ json, ...flags }) => {
      // Its files too: what serve would not start with is told here.
      readServeFlags(flags, silentLog);
      const { config: file } = program.opts() as { config?: string };
      const settings = sources
        .read(file === undefined ? {} : sectionOfFile(file, "serve"))
        .filter(({ name }) => !ownFlags.includes(name));
      if (json) {
        const set = settings.filter(({ value }) => value !== undefined);
        printJson({ serve: Object.fromEntries(set.map(({ name, value }) => [name, value])) });
        return;
      }
      const rows = settings.map(({ name, value, from, description }) => [
        `--${name}`,
        value === undefined ? "-" : String(value),
        from,
        description,
      ]);
      for (const line of formatTable([["setting", "value", "from", ""], ...rows])) printLine(line);
    });
  const sources = new SettingSources(command as unknown as Command);
}
