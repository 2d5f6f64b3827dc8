import type { Command } from "@commander-js/extra-typings";
import { type DisorderProfile, disorderProfiles } from "../../device-sim/disorder.ts";
import { parseSpeed } from "../../device-sim/pace.ts";
import { spoolFullPolicies } from "../../device-sim/uplink/spool.ts";
import { systemClock } from "../../lib/base/clock.ts";
import { parseSize } from "../../lib/base/size.ts";
import { parseTimeArgument } from "../../lib/base/time.ts";
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
  share,
} from "../fleet-options.ts";
import { untilInterrupted } from "../interrupt.ts";
import {
  devicesSetting,
  duration,
  integer,
  intervalSetting,
  jsonSetting,
  metricsSetting,
  setting,
} from "../options.ts";
import { withServerFlags } from "../server-flags.ts";
import { type Summary, simulate } from "../simulation.ts";
import { printJson, printLine } from "../terminal.ts";

export function addSimulate(program: Command): void {
  withServerFlags(program.command("simulate").description("run a fleet of simulated devices against a server"))
    .addOption(devicesSetting(1_000_000))
    .addOption(metricsSetting())
    .addOption(intervalSetting())
    .addOption(batchSamplesSetting())
    .addOption(connectionsSetting(1))
    .addOption(modeSetting())
    .addOption(seedSetting("equal seeds and starts give equal samples"))
    .addOption(
      setting("--duration <duration>", "stop after this long").argParser(duration("--duration")).conflicts("batches"),
    )
    .addOption(
      setting("--batches <n>", "stop after this many batches per device").argParser(
        integer("--batches", 1, Number.MAX_SAFE_INTEGER),
      ),
    )
    .addOption(
      setting("--start <time>", "event time of the first sample (default: now)").argParser((text) =>
        parseTimeArgument(text, systemClock.nowMs(), "--start"),
      ),
    )
    .addOption(
      setting("--speed <speed>", "realtime, max, or a factor such as 60x; other than realtime needs a --start")
        .argParser((text) => parseSpeed(text, "--speed"))
        .default(1, "realtime"),
    )
    .addOption(setting("--integers", "whole numbers only: their sums are exact"))
    .addOption(setting("--id-prefix <text>", "begins the device ids").default("sim-"))
    .addOption(
      setting("--spool <dir>", "keep what is not acked on disk; started again with the same flags, the fleet goes on"),
    )
    .addOption(
      setting("--spool-bytes <size>", "bytes of each device's spool (default: 1MiB, less for large fleets)").argParser(
        (text) => parseSize(text, "--spool-bytes"),
      ),
    )
    .addOption(
      setting("--spool-full <policy>", "a full spool makes its device wait, or loses its oldest batches")
        .choices(spoolFullPolicies)
        .default("block" as const),
    )
    .addOption(setting("--log <file>", "append what is sealed, acked, refused and lost, for tidemark verify"))
    .addOption(
      setting("--disorder <profile>", "readings and devices as they are on the road: sets the six flags below").choices(
        Object.keys(disorderProfiles) as DisorderProfile[],
      ),
    )
    .addOption(outOfOrderSetting("share of the readings that are sent late, 0 to 1 (trucks: 0.3)"))
    .addOption(lateBySetting())
    .addOption(
      setting("--missing <rate>", "share of the readings that are never made, 0 to 1 (trucks: 0.1)").argParser(
        share("--missing"),
      ),
    )
    .addOption(
      setting("--offline <rate>", "share of the time that a device gathers and does not send (trucks: 0.05)").argParser(
        share("--offline"),
      ),
    )
    .addOption(
      setting("--offline-for <duration>", "how long at a time at most, in event time (default: 10m)").argParser(
        duration("--offline-for"),
      ),
    )
    .addOption(resendSetting("share of the batches that are sent again on purpose, 0 to 1 (trucks: 0.01)"))
    .addOption(cutSetting())
    .addOption(gzipSetting())
    .addOption(jsonSetting())
    .addHelpText(
      "after",
      `
Without --duration and --batches it runs until Ctrl-C. It ends when everything sent is acked, with a summary;
exit code 1 says that something was not acked, or a device was refused.

Without --spool every run is a new spool, that is a new session of each device: a second fleet with the same
ids takes over from the first, which is then refused. With it, sealed batches outlive the process, and a
fleet that is started again goes on where it was.

--disorder trucks is a fleet on the road; each of its flags can be given another value, or be given alone. A reading
that is late keeps its time. What is missing and late is drawn from the seed: without disorder, the same seed
and start give the same readings in order, and those that are missing as well. --batches counts them all, and at
its end everything that is held back is sent. A device holds back at most 1,024 readings or 16,384 values, and then
sends the next one early; offline, it gathers in its spool, and is online again when that is full.
${gzipHelp}

Examples:
  $ tidemark simulate --devices 20 --duration 30s
  $ tidemark simulate --devices 1000 --connections 4 --interval 10s
  $ tidemark simulate --start 2026-01-01T00:00:00Z --speed max --batches 1000 --batch-samples 100
  $ tidemark simulate --mode push --batches 10 --integers --json
  $ tidemark simulate --disorder trucks --integers --log ./sent.ndjson --duration 10m
  $ tidemark simulate --disorder trucks --missing 0 --start now-3h --speed max --interval 10s --batches 1000
  $ tidemark simulate --spool ./spool --log ./sent.ndjson --integers
  $ tidemark verify --log ./sent.ndjson`,
    )
    .action(async ({ json, ...options }) => {
      const summary = await simulate(options, untilInterrupted());
      if (json) printJson(summary);
      else for (const line of summaryLines(summary)) printLine(line);
      if (summary.batchesUnacked > 0 || summary.devicesRefused > 0) process.exitCode = exitCode.failed;
    });
}

function summaryLines(summary: Summary): string[] {
  const { batchesLost, samplesLost, slowDowns } = summary;
  const perSecond = Math.round(summary.samplesAcked / Math.max(summary.seconds, 0.001));
  const lost = (count: number) => (batchesLost === 0 ? "" : `  lost ${count}`);
  const { readingsLate, readingsMissing, timesOffline } = summary;
  const disorderly = readingsLate + readingsMissing + timesOffline > 0;
  const slow = Object.entries(slowDowns).filter(([, times]) => times > 0);
  return [
    `${summary.devices} devices, ${summary.seconds} s, ${perSecond} samples/s`,
    `batches  sent ${summary.batchesSent}  acked ${summary.batchesAcked}${lost(batchesLost)}`,
    `samples  sent ${summary.samplesSent}  acked ${summary.samplesAcked}  rejected ${summary.samplesRejected}${lost(samplesLost)}`,
    ...(disorderly ? [`readings late ${readingsLate}  missing ${readingsMissing}  times offline ${timesOffline}`] : []),
    `ack      p50 ${summary.ackP50Ms} ms  p99 ${summary.ackP99Ms} ms`,
    ...(slow.length === 0 ? [] : [`slowed   ${slow.map(([cause, times]) => `${times} times by ${cause}`).join(", ")}`]),
    `again    --seed ${summary.seed} --start ${summary.start}`,
  ];
}
