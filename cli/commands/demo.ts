import type { Command } from "@commander-js/extra-typings";
import { defaultTiers, tierName } from "../../lib/aggregate/tiers.ts";
import { latenessMsDefault } from "../../lib/base/limits.ts";
import { Demo } from "../demo.ts";
import { untilInterrupted } from "../interrupt.ts";
import { devicesSetting, intervalSetting, metricsSetting } from "../options.ts";
import {
  deviceRateSetting,
  deviceSeriesMaxSetting,
  futureMaxSetting,
  quotasOf,
  seriesMaxSetting,
} from "../quota-options.ts";
import { keepRawSetting } from "../raw-options.ts";
import { dataSetting, grpcSetting, httpSetting } from "../serve-options.ts";
import { keptTiers, parseRetention, retentionSetting } from "../tier-options.ts";

/** 1,000 series take some 250 MiB in a month, and 45 MiB a year from then on: days are kept, so that history counts. */
const demoRetention = "10s=1h,1m=12h,1h=30d";

export function addDemo(program: Command): void {
  program
    .command("demo")
    .description("run a server and a simulated fleet together, with a live view")
    .addOption(dataSetting())
    .addOption(grpcSetting())
    .addOption(httpSetting().default("127.0.0.1:8080"))
    .addOption(devicesSetting(100_000))
    .addOption(metricsSetting())
    .addOption(intervalSetting())
    .addOption(retentionSetting().default(parseRetention(demoRetention), demoRetention))
    .addOption(keepRawSetting())
    .addOption(deviceSeriesMaxSetting())
    .addOption(seriesMaxSetting())
    .addOption(deviceRateSetting())
    .addOption(futureMaxSetting())
    .addHelpText(
      "after",
      `
Tiers: ${defaultTiers.map(tierName).join(", ")}. Ctrl-C drains and prints totals.
A fleet of more than 150,000 series (devices x metrics) needs a larger --series-max.

Examples:
  $ tidemark demo
  $ tidemark demo --devices 1000 --interval 10s
  $ tidemark demo --keep-raw 1h                     # then: export samples --device demo-0001 --from now-10m

While it runs, in a browser: http://127.0.0.1:8080, and from another terminal:
  $ tidemark watch --device demo-0001
  $ tidemark query --device demo-0001 --metric temperature --from now-5m --tier 10s`,
    )
    .action(async ({ data, grpc, http, devices, metrics, interval, retention, keepRaw, ...flags }) => {
      const demo = new Demo({
        dataDir: data,
        grpc,
        http,
        devices,
        metrics,
        intervalMs: interval,
        tiers: keptTiers(defaultTiers, retention, latenessMsDefault),
        quotas: quotasOf(flags),
        keepRaw,
      });
      await demo.run(untilInterrupted());
    });
}
