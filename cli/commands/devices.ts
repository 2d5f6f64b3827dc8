import type { Command } from "@commander-js/extra-typings";
import { addCreate } from "./devices/create.ts";
import { addDelete } from "./devices/delete.ts";
import { addGet } from "./devices/get.ts";
import { addList } from "./devices/list.ts";
import { addUpdate } from "./devices/update.ts";
import { addWatchDevices } from "./devices/watch.ts";

export function addDevices(program: Command): void {
  const devices = program
    .command("devices")
    .description("the registry of devices: list, get, create, update, delete, watch")
    .addHelpText(
      "after",
      `
A device need not be created: its first registration makes it. The registry gives it labels and a description ahead of
its first data, or later, and deletes it with its series.

Examples:
  $ tidemark devices list
  $ tidemark devices get truck-0042
  $ tidemark devices list 'truck-*' --where site=north --json`,
    );
  for (const add of [addList, addGet, addCreate, addUpdate, addDelete, addWatchDevices]) {
    add(devices as unknown as Command);
  }
}
