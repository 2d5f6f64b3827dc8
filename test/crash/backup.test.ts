import { existsSync, statSync } from "node:fs";
import { copyFile, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { Channel } from "../../lib/rpc/client.ts";
import { AdminService } from "../../proto/gen/telemetry/v1/admin_service_pb.js";
import { QueryService } from "../../proto/gen/telemetry/v1/query_service_pb.js";
import { Cli, serve, temporaryDirectory, tidemark, until } from "../system/support/cli.ts";

const devices = 20;

async function listed(address: string) {
  const channel = new Channel(address);
  try {
    return (await channel.client(QueryService, "messages").listDevices({ pageSize: 1_000 })).devices;
  } finally {
    channel.close();
  }
}

async function incarnationOf(address: string): Promise<string> {
  const channel = new Channel(address);
  try {
    const { storeIncarnation } = await channel.client(AdminService, "messages").getStatus({});
    return Buffer.from(storeIncarnation).toString("hex");
  } finally {
    channel.close();
  }
}

it.each([
  ["in memory", []],
  ["on disk", ["--spool"]],
])(
  "a server that goes on from a backup records what was acked since as gaps, and goes on counting: spools %s",
  async (_, spool) => {
    const directory = await temporaryDirectory();
    const log = join(directory, "delivery.log");
    const { server, address } = await serve(["--data", join(directory, "data")]);
    const before = await incarnationOf(address);
    const spools = spool.flatMap((flag) => [flag, join(directory, "spool")]);
    const fleet = ["--devices", String(devices), "--interval", "20ms", "--integers", "--json"];
    const sim = new Cli(["simulate", "--address", address, "--log", log, ...fleet, ...spools]);
    await until(() => sim.over || (existsSync(log) && statSync(log).size > 0));
    const behind = async (mark: bigint) => (await listed(address)).every(({ ackedSequence }) => ackedSequence > mark);
    await until(async () => (await listed(address)).length === devices && (await behind(10n)));

    // Under load: it goes on while the copy is made.
    const copy = join(directory, "copy");
    expect((await tidemark(["backup", copy, "--address", address])).code).toBe(0);
    const copied = (await listed(address)).reduce(
      (most, { ackedSequence }) => (ackedSequence > most ? ackedSequence : most),
      0n,
    );
    // Every device is acked what the copy does not have.
    // And so much more that its spool has deleted some of it: it does so for many batches at a time.
    await until(() => behind(copied + 150n));
    await server.kill();

    const restored = join(directory, "restored");
    await mkdir(restored);
    await copyFile(copy, join(restored, "tidemark.sqlite"));
    await serve(["--data", restored, "--grpc", address]);
    expect(await incarnationOf(address)).not.toBe(before);
    await until(async () => (await listed(address)).every(({ batchesLost }) => batchesLost > 0n));
    const back = new Map((await listed(address)).map((device) => [device.deviceId, device]));
    await until(async () =>
      (await listed(address)).every(({ deviceId, ackedSequence, samplesCounted }) => {
        const then = back.get(deviceId);
        return then !== undefined && ackedSequence > then.ackedSequence + 10n && samplesCounted > then.samplesCounted;
      }),
    );

    sim.signal("SIGINT");
    const { code, stdout, stderr } = await sim.ended;
    expect(code, stderr).toBe(0);
    const summary = JSON.parse(stdout) as Record<string, number>;
    expect(summary).toMatchObject({ batchesUnacked: 0, devicesRefused: 0 });
    const after = await listed(address);
    expect(after).toHaveLength(devices);
    // Nothing is lost in silence: what the server has not counted of the sealed batches is in its gaps.
    expect(after.reduce((sum, { batchesLost }) => sum + Number(batchesLost), 0)).toBe(summary["batchesLost"]);
    const verified = await tidemark(["verify", "--log", log, "--address", address]);
    expect(verified.stdout + verified.stderr).toMatch(/ lost in gaps \d+.*, 0 lost, 0 counted twice/);
    expect(verified.code, verified.stdout).toBe(0);
  },
);
