import { randomBytes } from "node:crypto";
import { Argument, type Command } from "@commander-js/extra-typings";
import { type BadLine, type CsvFile, openCsv } from "../../device-sim/csv.ts";
import { parseSpeed } from "../../device-sim/pace.ts";
import { replayFile } from "../../device-sim/replay.ts";
import { Delivery } from "../../device-sim/uplink/delivery.ts";
import { Uplink } from "../../device-sim/uplink/uplink.ts";
import { systemClock } from "../../lib/base/clock.ts";
import { invalidField } from "../../lib/base/errors.ts";
import { batchSamplesMax } from "../../lib/base/limits.ts";
import { Prng } from "../../lib/base/prng.ts";
import { connect } from "../connect.ts";
import { exitCode } from "../exit.ts";
import { gzipHelp, gzipSetting } from "../fleet-options.ts";
import { untilInterrupted } from "../interrupt.ts";
import { integer, jsonSetting, setting } from "../options.ts";
import { Progress } from "../progress.ts";
import { withServerFlags } from "../server-flags.ts";
import { log, printJson, printLine } from "../terminal.ts";

const spoolBytesMax = 1024 * 1024;
const drainMs = 30_000;
/** Bad lines told one by one; all are counted. */
const badLinesTold = 20;

export function addReplay(program: Command): void {
  withServerFlags(
    program
      .command("replay")
      .description("send recorded CSV files, each as one device")
      .addArgument(new Argument("<file...>", "CSV with a timestamp column and one column per metric")),
  )
    .addOption(
      setting("--speed <speed>", "realtime, max, or a factor such as 60x")
        .argParser((text) => parseSpeed(text, "--speed"))
        .default(Number.POSITIVE_INFINITY, "max"),
    )
    .addOption(
      setting("--batch-samples <n>", "samples per batch at full speed")
        .argParser(integer("--batch-samples", 1, batchSamplesMax))
        .default(1_000),
    )
    .addOption(gzipSetting())
    .addOption(jsonSetting())
    .addHelpText(
      "after",
      `
The device is the file's name without its ending. Times are UTC: YYYY-MM-DD HH:MM:SS, RFC 3339 or epoch
milliseconds, of any year, in any order. An empty cell is no sample. A line that cannot be used is told,
counted and skipped; exit code 1 says that there were some, or that the server refused samples. Replaying a file again counts it again.
${gzipHelp}

Examples:
  $ tidemark replay machine_temperature.csv
  $ tidemark replay *.csv --speed 60x
  $ tidemark query --device machine_temperature --from 2013-01-01T00:00:00Z --tier 1d`,
    )
    .action(async (files, { speed, batchSamples, json, ...server }) => {
      const interrupted = untilInterrupted();
      let badLines = 0;
      const onBadLine = ({ file, line, reason }: BadLine) => {
        badLines += 1;
        if (badLines <= badLinesTold) log.warn(`${file}:${line}: ${reason}; skipped`);
      };
      const recordings = await openAll(files, onBadLine);
      const channel = await connect(server);
      const delivery = new Delivery();
      const uplink = new Uplink({
        channel,
        mode: "stream",
        spoolBytesMax,
        delivery,
        clock: systemClock,
        prng: new Prng(1, "replay"),
        randomBytes,
        log,
      });
      const read = new Map<CsvFile, number>();
      const bytes = () => [...read.values()].reduce((sum, each) => sum + each, 0);
      const total = recordings.reduce((sum, file) => sum + file.bytes, 0);
      const progress = new Progress(total, () => [bytes(), `bytes  ${delivery.samplesAcked} samples acked`]);
      const replays = recordings.map((file) =>
        replayFile(
          file,
          uplink,
          { speed, batchSamples, clock: systemClock, onProgress: (done) => read.set(file, done) },
          interrupted,
        ),
      );
      // A device that is refused ends its own file only; the uplink knows why.
      await Promise.allSettled(replays);
      await uplink.close(drainMs);
      progress.stop();
      channel.close();

      for (const [deviceId, failure] of uplink.failures) log.warn(`${deviceId} was refused: ${failure.message}`);
      for (const detail of delivery.refusals.values()) log.warn(`samples were refused, first ${detail}`);
      const summary = {
        files: files.length,
        samplesSent: delivery.samplesSent,
        samplesAcked: delivery.samplesAcked,
        samplesRejected: delivery.samplesRejected,
        badLines,
      };
      if (json) printJson(summary);
      else {
        printLine(
          `${summary.files} files: ${summary.samplesSent} samples sent, ${summary.samplesAcked} acked, ` +
            `${summary.samplesRejected} rejected, ${summary.badLines} bad lines skipped`,
        );
      }
      const incomplete =
        delivery.batchesAcked < delivery.batchesSent || uplink.failures.size > 0 || interrupted.aborted;
      const leftOut = badLines + delivery.samplesRejected;
      if (incomplete || leftOut > 0) process.exitCode = exitCode.failed;
    });
}

async function openAll(files: readonly string[], onBadLine: (bad: BadLine) => void): Promise<CsvFile[]> {
  const recordings: CsvFile[] = [];
  for (const file of files) {
    const recording = await openCsv(file, onBadLine);
    const same = recordings.findIndex((other) => other.deviceId === recording.deviceId);
    if (same !== -1) {
      throw invalidField("FILE", `${file} and ${files[same]} would both be device ${recording.deviceId}`, "rename one");
    }
    recordings.push(recording);
  }
  return recordings;
}
