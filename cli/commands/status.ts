import { toJson } from "@bufbuild/protobuf";
import { durationMs } from "@bufbuild/protobuf/wkt";
import type { Command } from "@commander-js/extra-typings";
import { formatDuration } from "../../lib/base/duration.ts";
import {
  AdminService,
  type GetStatusResponse,
  GetStatusResponseSchema,
} from "../../proto/gen/telemetry/v1/admin_service_pb.js";
import { RefusalReason } from "../../proto/gen/telemetry/v1/batch_pb.js";
import { connect } from "../connect.ts";
import { jsonSetting } from "../options.ts";
import { describeQuotas } from "../quota-options.ts";
import { withServerFlags } from "../server-flags.ts";
import { formatTable, printJson, printLine } from "../terminal.ts";

export function addStatus(program: Command): void {
  withServerFlags(program.command("status").description("tell how a server is doing, and what holds it up"), {
    several: true,
  })
    .addOption(jsonSetting())
    .addHelpText(
      "after",
      `
Data waits in a bounded place before each hop. A hop that is full slows the one before it; the slowest hop is the last
one that is at least half full.

  calls        bytes of the fullest ingest call that are not settled; beside others a call has a share
  writer       bytes of all ingest calls that wait for the writer and the disk
  tables       windows that are in the journal and not in their table yet
  subscribers  changed windows that wait for the slowest subscriber

Examples:
  $ tidemark status
  $ tidemark status --address 127.0.0.1:50051 --json | jq .slowestHop`,
    )
    .action(async ({ json, ...server }) => {
      const channel = await connect(server);
      try {
        const status = await channel.client(AdminService, "messages").getStatus({});
        if (json) printJson(toJson(GetStatusResponseSchema, status, { alwaysEmitImplicit: true }));
        else for (const line of statusLines(status)) printLine(line);
      } finally {
        channel.close();
      }
    });
}

function limitsOf({ quotas, series }: GetStatusResponse): string {
  const { seriesPerDeviceMax = 0, seriesPerPrincipalMax = 0n, samplesPerSecondMax = 0n, futureMax } = quotas ?? {};
  const { principalSamplesPerSecondMax = 0n } = quotas ?? {};
  const orOff = (value: bigint) => (value === 0n ? Number.POSITIVE_INFINITY : Number(value));
  const limits = describeQuotas({
    seriesPerDeviceMax,
    seriesPerPrincipalMax: orOff(seriesPerPrincipalMax),
    samplesPerSecondMax: orOff(samplesPerSecondMax),
    principalSamplesPerSecondMax: orOff(principalSamplesPerSecondMax),
    timeAheadMsMax: futureMax === undefined ? 0 : durationMs(futureMax),
  });
  return `${series} series; ${limits}`;
}

function acksOf({ ackP50, ackP99 }: GetStatusResponse): string {
  if (ackP50 === undefined || ackP99 === undefined) return "none in the last 10 s";
  return `waited for ${durationMs(ackP50)} ms (p50), ${durationMs(ackP99)} ms (p99) in the last 10 s`;
}

function statusLines(status: GetStatusResponse): string[] {
  const upMs = status.uptime === undefined ? 0 : Math.floor(durationMs(status.uptime) / 1_000) * 1_000;
  const storeMs = status.storeMax === undefined ? 0 : durationMs(status.storeMax);
  const hops = status.hops.map(({ name, used, limit, unit }) => [
    name,
    Number(used),
    Number(limit),
    unit,
    `${Math.round((Number(used) / Number(limit)) * 100)} %`,
  ]);
  return [
    `up ${formatDuration(upMs)}, an ack survives ${status.durability === "fsync" ? "a power cut (fsync)" : "the end of the process"}`,
    `samples  ${status.samplesCounted} counted, ${status.samplesRefused} refused; ${status.batchesDuplicate} batches came twice`,
    ...status.refused.map(
      ({ reason, samples, batches }) => `refused  ${samples} samples of ${batches} batches: ${RefusalReason[reason]}`,
    ),
    `limits   ${limitsOf(status)}; ${status.rateDelays} times a call was made to wait for its rate`,
    `store    ${status.groups} groups, slowest of the last 10 s ${storeMs} ms; ${status.journalGroups} groups not in every table yet`,
    `acks     ${acksOf(status)}`,
    `devices  ${status.devices}, ${status.devicesConnected} connected, ${status.devicesSilent} silent`,
    `memory   ${Math.round(Number(status.rssBytes) / 2 ** 20)} MiB, ${status.ingestCalls} ingest calls`,
    "",
    ...formatTable([["hop", "used", "limit", "unit", "full"], ...hops]),
    "",
    status.slowestHop === "" ? "nothing is held up" : `slowest hop: ${status.slowestHop}`,
    ...(status.storeProblem === "" ? [] : [`nothing can be stored: ${status.storeProblem}`]),
  ];
}
