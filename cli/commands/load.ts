import { randomBytes } from "node:crypto";
import type { Command } from "@commander-js/extra-typings";
import { loadArrivals } from "../../bench/load-test/due-times.ts";
import { figuresOf } from "../../bench/load-test/load-result.ts";
import { summaryJson, summaryLines } from "../../bench/load-test/load-summary.ts";
import { LoadView } from "../../bench/load-test/load-view.ts";
import { parseRate } from "../../bench/load-test/sample-rate.ts";
import { judge, loadMetrics, parseThreshold, type Threshold, withUsual } from "../../bench/load-test/threshold.ts";
import { disorderProfiles } from "../../device-sim/disorder.ts";
import { exitCode } from "../exit.ts";
import {
  batchSamplesSetting,
  connectionsSetting,
  cutSetting,
  gzipHelp,
  gzipSetting,
  lateBySetting,
  modeSetting,
  outOfOrderSetting,
  resendSetting,
  seedSetting,
} from "../fleet-options.ts";
import { untilInterrupted } from "../interrupt.ts";
import { devicesSetting, duration, jsonSetting, metricsSetting, setting } from "../options.ts";
import { serverAt, withServerFlags } from "../server-flags.ts";
import { printJson, printLine } from "../terminal.ts";

export function addLoad(program: Command): void {
  withServerFlags(
    program.command("load").description("a load test of a running server, held against thresholds and verified"),
  )
    .addOption(
      setting("--rate <n/s>", "samples per second of all devices together, such as 50000/s, 50k/s or 1.5M/s")
        .argParser((text) => parseRate(text))
        .default(10_000, "10k/s"),
    )
    .addOption(devicesSetting(1_000_000))
    .addOption(metricsSetting())
    .addOption(batchSamplesSetting())
    .addOption(connectionsSetting(4))
    .addOption(modeSetting())
    .addOption(
      setting("--duration <duration>", "how long the load lasts, its ramp included")
        .argParser(duration("--duration"))
        .default(30_000, "30s"),
    )
    .addOption(
      setting("--ramp <duration>", "the rate grows from nothing for so long (default: none)").argParser(
        duration("--ramp"),
      ),
    )
    .addOption(
      setting("--drain <duration>", "how long the last acks are waited for")
        .argParser(duration("--drain"))
        .default(30_000, "30s"),
    )
    .addOption(
      setting("--arrival <kind>", "batches come evenly, or at random as from independent devices")
        .choices(loadArrivals)
        .default("constant" as const),
    )
    .addOption(seedSetting("equal seeds give equal values, arrivals and faults"))
    .addOption(
      setting("--id-prefix <text>", "begins the device ids, and those of no other device (default: load-, and chance)"),
    )
    .addOption(cutSetting())
    .addOption(resendSetting("share of the batches that are sent again on purpose, 0 to 1"))
    .addOption(outOfOrderSetting("share of the readings that come late, 0 to 1: with times before those of others"))
    .addOption(lateBySetting())
    .addOption(gzipSetting())
    .addOption(
      setting(
        "--threshold <condition>",
        "what the load must come to, such as 'ack_p99<50ms'; can be repeated",
      ).argParser((text, before: readonly Threshold[] | undefined) => [...(before ?? []), parseThreshold(text)]),
    )
    .addOption(jsonSetting())
    .addHelpText(
      "after",
      `
Batches are due on a schedule that nothing moves: the devices take turns, and each batch counts from when it was due
to its ack. So a server that stalls is charged with everything that was due meanwhile; what is not acked at all counts
with the time that it has waited. Timers of the generator add 1 or 2 ms. When it was late itself, it says so.

At the end the last acks are waited for, and the server is asked what it has counted: count, sum, minimum and maximum
per series, against what was sent. The devices are new ones of this load, load-<chance>-0001 and so on, so that two
loads do not take each other's over. They stay until "tidemark devices delete" takes them away.

Thresholds are METRIC OP VALUE, OP one of < <= > >= == !=, in quotes because of the shell. Metrics:
  ack_p50 ack_p90 ack_p99 ack_p999 ack_max     times with their unit: 50ms, 1.5s, 800us
  rate                                         samples/s acked between the end of the ramp and of the load: 45k/s
  ${loadMetrics.slice(6).join(" ")}
                                               samples (wrong_series: series): 0, 5M
Unless one of them says otherwise, lost==0, duplicated==0, wrong_series==0, refused==0 and unacked==0 must hold. All are
judged at the end; exit code 1 when one fails. Ctrl-C ends the load early: it drains, verifies and judges; a second one
ends it at once.

A server refuses series over its --series-max (150,000: 15,000 devices of 10 metrics), and slows a device down that
sends more than its --device-rate (10,000/s): start it with other limits for loads beyond.
${gzipHelp}

Examples:
  $ tidemark load --rate 50000/s --devices 1000 --duration 1m
  $ tidemark load --address 10.0.0.7:50051 --rate 50k/s --devices 10000 --ramp 30s --duration 5m \\
      --threshold 'ack_p99<50ms' --threshold 'lost==0'
  $ tidemark load --rate 5k/s --cut 0.2 --resend 0.05 --out-of-order 0.1     # faults, and still exactly once
  $ tidemark load --rate 200k/s --batch-samples 100 --arrival poisson --json | jq .ackMs.p99`,
    )
    .action(async ({ json, threshold = [], ...flags }) => {
      const interrupted = untilInterrupted();
      // Its histograms cost every other command 50 ms at its start.
      const { LoadTest } = await import("../../bench/load-test/load-test.ts");
      const load = await LoadTest.connect({
        server: serverAt(flags),
        samplesPerSecond: flags.rate,
        devices: flags.devices,
        metrics: flags.metrics,
        batchSamples: flags.batchSamples ?? flags.metrics,
        connections: flags.connections,
        mode: flags.mode,
        durationMs: flags.duration,
        rampMs: flags.ramp ?? 0,
        drainMs: flags.drain,
        arrival: flags.arrival,
        seed: flags.seed,
        idPrefix: flags.idPrefix ?? `load-${randomBytes(3).toString("hex")}-`,
        cutRate: flags.cut ?? 0,
        resendRate: flags.resend ?? 0,
        lateRate: flags.outOfOrder ?? 0,
        lateMsMax: flags.lateBy ?? disorderProfiles.trucks.lateMsMax,
      });
      const view = new LoadView(load);
      const result = await load.run(interrupted).finally(() => view.stop());
      const judgements = judge(withUsual(threshold), figuresOf(result));
      if (json) printJson(summaryJson(result, judgements));
      else for (const line of summaryLines(result, judgements)) printLine(line);
      if (judgements.some(({ passed }) => !passed)) process.exitCode = exitCode.failed;
    });
}
