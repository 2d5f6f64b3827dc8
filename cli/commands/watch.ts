import { durationFromMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { Command } from "@commander-js/extra-typings";
import { createLogUpdate } from "log-update";
import { systemClock } from "../../lib/base/clock.ts";
import { Prng } from "../../lib/base/prng.ts";
import { QueryService } from "../../proto/gen/telemetry/v1/query_service_pb.js";
import { connect } from "../connect.ts";
import { untilInterrupted } from "../interrupt.ts";
import { duration, jsonSetting, setting } from "../options.ts";
import { resumedWindows } from "../resumed-windows.ts";
import { withServerFlags } from "../server-flags.ts";
import { WatchLines, WatchScreen } from "../watch-output.ts";
import { deviceSetting, metricSetting, selectorOf, whereSetting } from "./query.ts";

const quantiles: readonly number[] = [0.5, 0.95, 0.99];

export function addWatch(program: Command): void {
  withServerFlags(program.command("watch").description("show aggregated windows as they change"), { several: true })
    .addOption(deviceSetting())
    .addOption(metricSetting())
    .addOption(whereSetting())
    .addOption(
      setting("--tier <width>", "a tier of the server, such as 1m (default: its finest)").argParser(duration("--tier")),
    )
    .addOption(jsonSetting())
    .addHelpText(
      "after",
      `
On a terminal it shows the current window of each series in place; otherwise, and with --json, it prints each
change as a line of JSON. A window comes again, with its whole values, whenever it has changed. When the connection is
lost or the server starts again, it says so and goes on where it was: nothing is missed. Ends with Ctrl-C.

Examples:
  $ tidemark watch --device sim-0001
  $ tidemark watch --metric temperature --tier 1m
  $ tidemark watch --device sim-0001 --metric temperature --json | jq .mean`,
    )
    .action(async ({ tier: tierMs, json, ...names }) => {
      const signal = untilInterrupted();
      const channel = await connect(names);
      const inPlace = process.stdout.isTTY && !json;
      const draw = createLogUpdate(process.stdout);
      const screen = inPlace ? new WatchScreen(names.address, draw) : new WatchLines(quantiles);
      try {
        const events = resumedWindows({
          client: channel.client(QueryService, "messages"),
          request: {
            selector: selectorOf(names),
            ...(tierMs !== undefined && { tier: durationFromMs(tierMs) }),
            snapshotFrom: timestampFromMs(systemClock.nowMs()),
            quantiles: [...quantiles],
          },
          signal,
          clock: systemClock,
          prng: new Prng(systemClock.nowMs()),
        });
        for await (const event of events) screen.show(event);
      } catch (error) {
        if (!signal.aborted) throw error;
      } finally {
        if (inPlace) draw.done();
        channel.close();
      }
    });
}
