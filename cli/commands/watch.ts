import { durationFromMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { Command } from "@commander-js/extra-typings";
import { createLogUpdate } from "log-update";
import { systemClock } from "../../lib/base/clock.ts";
import { formatTime } from "../../lib/base/time.ts";
import { FrameReader } from "../../lib/wire/window-frame.ts";
import { QueryService } from "../../proto/gen/telemetry/v1/query_service_pb.js";
import { connect } from "../connect.ts";
import { untilInterrupted } from "../interrupt.ts";
import { addressSetting, duration, jsonSetting, setting } from "../options.ts";
import { SeriesView } from "../series-view.ts";
import { faint, lineWidth, printLine } from "../terminal.ts";
import { windowRow } from "../window-row.ts";
import { deviceSetting, metricSetting, selectorOf, whereSetting } from "./query.ts";

const quantiles: readonly number[] = [0.5, 0.95, 0.99];

export function addWatch(program: Command): void {
  program
    .command("watch")
    .description("show aggregated windows as they change")
    .addOption(addressSetting())
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
change as a line of JSON. A window comes again, with its whole values, whenever it has changed. Ends with Ctrl-C.

Examples:
  $ tidemark watch --device sim-0001
  $ tidemark watch --metric temperature --tier 1m
  $ tidemark watch --device sim-0001 --metric temperature --json | jq .mean`,
    )
    .action(async ({ address, tier: tierMs, json, ...names }) => {
      const signal = untilInterrupted();
      const channel = await connect(address);
      const inPlace = process.stdout.isTTY && !json;
      const draw = createLogUpdate(process.stdout);
      const view = new SeriesView();
      const frames = new FrameReader();
      const show = () => {
        const rows = Math.max(5, (process.stdout.rows ?? 24) - 4);
        const title = `${view.size} series at ${address}, ${formatTime(systemClock.nowMs()).slice(11, 19)}Z`;
        draw([title, "", ...view.lines(rows, lineWidth()), "", faint("Ctrl-C ends")].join("\n"));
      };
      try {
        const responses = channel.client(QueryService, "messages").subscribe(
          {
            selector: selectorOf(names),
            ...(tierMs !== undefined && { tier: durationFromMs(tierMs) }),
            snapshotFrom: timestampFromMs(systemClock.nowMs()),
            quantiles: [...quantiles],
          },
          { signal },
        );
        for await (const { event } of responses) {
          if (event.case === "snapshot" || event.case === "changes") {
            for (const window of frames.read(event.value)) {
              if (inPlace) view.add(window);
              else printLine(JSON.stringify(windowRow(window, quantiles)));
            }
          }
          if (inPlace) show();
        }
      } catch (error) {
        if (!signal.aborted) throw error;
      } finally {
        if (inPlace) draw.done();
        channel.close();
      }
    });
}
