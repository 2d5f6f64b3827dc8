import { existsSync } from "node:fs";
import type { Command } from "@commander-js/extra-typings";
import type { Difference } from "../../device-sim/verify/differences.ts";
import { type Verdict, verify } from "../../device-sim/verify/verify.ts";
import { defaultTiers, tierName } from "../../lib/aggregate/tiers.ts";
import { invalidField } from "../../lib/base/errors.ts";
import { formatTime } from "../../lib/base/time.ts";
import { QueryService } from "../../proto/gen/telemetry/v1/query_service_pb.js";
import { connectTo } from "../connect.ts";
import { exitCode } from "../exit.ts";
import { jsonSetting, setting } from "../options.ts";
import { TidemarkServer } from "../server.ts";
import { type ServerAt, serverAt, withServerFlags } from "../server-flags.ts";
import { log, printJson, printLine } from "../terminal.ts";

const differencesTold = 20;

export function addVerify(program: Command): void {
  withServerFlags(
    program
      .command("verify")
      .description("hold a simulator's log against what the server has counted, per series and window")
      .addOption(setting("--log <file>", "what simulate --log has written").makeOptionMandatory()),
  )
    .addOption(setting("--data <dir>", "read this data directory, which no server runs on, in place of a server"))
    .addOption(jsonSetting())
    .addHelpText(
      "after",
      `
Compares count, sum, min, max, first and last of every window of every tier: exactly where all values are whole
numbers (simulate --integers), sums of others within 1e-9. The server must keep all windows of the log, and the
log must tell everything that its devices have sent. Exit code 1: something is wrong, and what.

Examples:
  $ tidemark simulate --devices 20 --duration 30s --integers --log sent.ndjson
  $ tidemark verify --log sent.ndjson
  $ tidemark verify --log sent.ndjson --data ./data`,
    )
    .action(async ({ log: file, data, json, ...flags }) => {
      const verdict = data === undefined ? await verifyServer(file, serverAt(flags)) : await verifyData(file, data);
      if (json) printJson({ ...verdict, differences: verdict.differences.length, first: told(verdict) });
      else for (const line of verdictLines(verdict)) printLine(line);
      if (!isRight(verdict)) process.exitCode = exitCode.failed;
    });
}

/** Whether everything that was acked is counted, once. */
export function isRight({ differences, lost, countedTwice }: Verdict): boolean {
  return differences.length === 0 && lost === 0 && countedTwice === 0;
}

/** The sentence, and what is wrong where something is. */
export function verdictLines(verdict: Verdict): string[] {
  const { sent, acked, refused, gaps, waiting, counted, lost, countedTwice, devices, windows } = verdict;
  const others = Object.entries({ refused, "lost in gaps": gaps, "not acked yet": waiting }).filter(([, n]) => n > 0);
  const plain = others.length === 0 && acked === counted;
  const parts = [`acked ${acked}`, ...others.map(([name, n]) => `${name} ${n}`)].join(" + ");
  const sums = plain ? "sent = acked = counted" : `sent ${sent} = ${parts}, counted ${counted}`;
  const lines = [
    `${sums}, ${lost} lost, ${countedTwice} counted twice`,
    `${sent} samples of ${devices} devices, ${windows} windows compared, ${verdict.differences.length} differences`,
  ];
  for (const difference of told(verdict)) lines.push(differenceLine(difference));
  if (verdict.unattributed > 0) {
    lines.push(
      `the log has ${verdict.unattributed} refused samples that it cannot attribute: the server's clock and retention ` +
        "decide on their times, so their windows differ",
    );
  }
  return lines;
}

function told({ differences }: Verdict): readonly Difference[] {
  return differences.slice(0, differencesTold);
}

function differenceLine({ device, metric, tierMs, windowMs, field, expected, found }: Difference): string {
  const where =
    metric === undefined || tierMs === undefined || windowMs === undefined
      ? device
      : `${device} ${metric} ${tierName({ widthMs: tierMs })} ${formatTime(windowMs)}`;
  return `${where}: ${field} expected ${expected}, found ${found}`;
}

async function verifyServer(file: string, server: ServerAt): Promise<Verdict> {
  const channel = await connectTo(server);
  try {
    return await verify(file, channel.client(QueryService, "messages"));
  } finally {
    channel.close();
  }
}

async function verifyData(file: string, dataDir: string): Promise<Verdict> {
  if (!existsSync(dataDir)) throw invalidField("--data", `${dataDir} is not there`, "name the directory of a server");
  const server = await TidemarkServer.start({ dataDir, grpc: "127.0.0.1:0", tiers: defaultTiers, log });
  try {
    return await verifyServer(file, { address: server.address, options: {} });
  } finally {
    await server.stop();
  }
}
