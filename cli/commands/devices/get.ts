import { toJson } from "@bufbuild/protobuf";
import { durationMs } from "@bufbuild/protobuf/wkt";
import { Argument, type Command } from "@commander-js/extra-typings";
import { formatDuration } from "../../../lib/base/duration.ts";
import { GapReason, RefusalReason } from "../../../proto/gen/telemetry/v1/batch_pb.js";
import {
  type Device,
  type GetDeviceResponse,
  GetDeviceResponseSchema,
  QueryService,
} from "../../../proto/gen/telemetry/v1/query_service_pb.js";
import { connect } from "../../connect.ts";
import { connectionName, labelsCell, timeCell } from "../../device-row.ts";
import { jsonSetting } from "../../options.ts";
import { withServerFlags } from "../../server-flags.ts";
import { formatTable, printJson, printLine } from "../../terminal.ts";

/** Gaps of a table; --json has all that the server tells. */
const gapsShown = 20;

export function addGet(devices: Command): void {
  withServerFlags(
    devices
      .command("get")
      .description("tell all that is known of one device")
      .addArgument(new Argument("<device>", "id of the device")),
    { several: true },
  )
    .addOption(jsonSetting())
    .addHelpText(
      "after",
      `
Shows everything that was acked before. The lag is how far its latest sample is behind the server's clock.

Examples:
  $ tidemark devices get truck-0042
  $ tidemark devices get truck-0042 --json | jq .gaps`,
    )
    .action(async (deviceId, { json, ...server }) => {
      const channel = await connect(server);
      try {
        const detail = await channel.client(QueryService, "messages").getDevice({ deviceId });
        if (json) printJson(toJson(GetDeviceResponseSchema, detail, { alwaysEmitImplicit: true }));
        else for (const line of detailLines(detail)) printLine(line);
      } finally {
        channel.close();
      }
    });
}

function detailLines(detail: GetDeviceResponse): string[] {
  const { device, gaps, refused } = detail;
  if (device === undefined) return [];
  const lines = formatTable(factsOf(device, detail));
  if (refused.length > 0) {
    const rows = refused.map(({ reason, samples, batches }) => [
      RefusalReason[reason],
      Number(samples),
      Number(batches),
    ]);
    lines.push("", ...formatTable([["refused", "samples", "batches"], ...rows]));
  }
  if (gaps.length > 0) {
    const rows = gaps.slice(0, gapsShown).map((gap) => {
      const batches = Number(gap.lastSequence - gap.firstSequence) + 1;
      return [
        `${gap.firstSequence} to ${gap.lastSequence}`,
        batches,
        Number(gap.samples),
        GapReason[gap.reason],
        timeCell(gap.recordedAt),
      ];
    });
    lines.push("", ...formatTable([["gap", "batches", "samples", "reason", "recorded"], ...rows]));
    if (gaps.length > gapsShown) lines.push(`... and ${gaps.length - gapsShown} earlier ones: --json has them`);
  }
  return lines;
}

function factsOf(device: Device, { lag, latestEventAt, series, sessions }: GetDeviceResponse): string[][] {
  const behind = lag === undefined ? "" : `, ${formatDuration(Math.round(durationMs(lag)))} behind`;
  const facts = [
    ["device", device.deviceId],
    ["description", device.description],
    ["connection", connectionName(device.connection)],
    ["labels", labelsCell(device.labels)],
    ["set here", labelsCell(device.setLabels)],
    ["created", timeCell(device.createdAt)],
    ["last seen", timeCell(device.lastSeenAt)],
    ["latest sample", latestEventAt === undefined ? "" : `${timeCell(latestEventAt)}${behind}`],
    ["acked", `sequence ${device.ackedSequence} of spool ${Buffer.from(device.spoolId).toString("hex") || "none yet"}`],
    ["samples", `${device.samplesCounted} counted, ${device.samplesRefused} refused, ${device.samplesLost} lost`],
    ["batches lost", String(device.batchesLost)],
    ["series", `${series}, in ${sessions} sessions`],
  ];
  return facts.filter(([, value]) => value !== "");
}
