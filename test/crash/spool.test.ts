import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { Prng } from "../../lib/base/prng.ts";
import { Cli, jsonLines, serve, temporaryDirectory, tidemark, until } from "../system/support/cli.ts";

const kills = 6;
const fleet = ["--devices", "20", "--interval", "20ms", "--integers", "--json"];
const settled = /^sent = acked = counted, 0 lost, 0 counted twice/m;

function start(address: string, log: string, flags: readonly string[]): Cli {
  return new Cli(["simulate", "--address", address, "--log", log, ...fleet, ...flags]);
}

/** It has begun to seal, or to seal again. */
async function sealing(sim: Cli, log: string): Promise<void> {
  const before = existsSync(log) ? statSync(log).size : 0;
  await until(() => sim.over || (existsSync(log) && statSync(log).size > before));
}

/** The highest sequence of each device among the events of a kind. */
function latest(log: string, event: "sealed" | "acked"): Map<string, number> {
  const text = readFileSync(log, "utf8");
  // The last line may be half written, or cut off by a kill.
  const whole = text.slice(0, text.lastIndexOf("\n") + 1);
  const events = jsonLines<{ event: string; device: string; sequence: number }>(whole);
  return new Map(events.filter((each) => each.event === event).map(({ device, sequence }) => [device, sequence]));
}

async function endWith(sim: Cli): Promise<{ code: number | null; stderr: string; summary: Record<string, number> }> {
  sim.signal("SIGINT");
  const { code, stdout, stderr } = await sim.ended;
  return { code, stderr, summary: jsonLines<Record<string, number>>(stdout)[0] ?? {} };
}

async function expectSettled(address: string, log: string): Promise<void> {
  const { code, stdout, stderr } = await tidemark(["verify", "--log", log, "--address", address]);
  expect(stdout + stderr).toMatch(settled);
  expect(code).toBe(0);
}

describe("a fleet that has its spools on disk", () => {
  it(`has everything that it sealed counted once, after ${kills} kills at random moments`, async () => {
    const { address } = await serve(["--data", await temporaryDirectory()]);
    const directory = await temporaryDirectory();
    const log = join(directory, "delivery.log");
    const flags = ["--spool", join(directory, "spool"), "--resend", "0.05", "--cut", "0.3"];
    const moments = new Prng(1, "kills");
    for (let kill = 0; kill < kills; kill += 1) {
      const sim = start(address, log, flags);
      await sealing(sim, log);
      expect(sim.over).toBe(false);
      // The moment is what is tried; nothing is waited for.
      await sleep(moments.below(400));
      await sim.kill();
    }
    // What was logged when it was killed and was not yet in the spool is sealed again, which takes a moment.
    const before = latest(log, "sealed");
    const sim = start(address, log, flags);
    await until(() => {
      const acked = latest(log, "acked");
      return [...before].every(([device, sequence]) => (acked.get(device) ?? 0) >= sequence);
    });
    const { code, stderr } = await endWith(sim);
    expect(code, stderr).toBe(0);
    await expectSettled(address, log);
  });

  it("begins a new session at 1 without its spools, counted beside the old one, whose spools are refused", async () => {
    const { address } = await serve(["--data", await temporaryDirectory()]);
    const directory = await temporaryDirectory();
    const log = join(directory, "delivery.log");
    const old = ["--spool", join(directory, "old")];
    const first = start(address, log, old);
    await sealing(first, log);
    const before = await endWith(first);
    expect(before.code, before.stderr).toBe(0);

    const second = start(address, log, ["--spool", join(directory, "new")]);
    await sealing(second, log);
    const after = await endWith(second);
    expect(after.code, after.stderr).toBe(0);
    // Sequences from 1 again, and none taken for one that was there.
    expect(after.summary["samplesAcked"]).toBeGreaterThan(0);
    expect(after.summary["samplesAcked"]).toBe(after.summary["samplesSent"]);
    await expectSettled(address, log);

    const zombie = start(address, join(directory, "zombie.log"), old);
    const { code, stdout, stderr } = await zombie.ended;
    expect(code, stderr).toBe(1);
    expect(stderr).toMatch(/sim-\S+ was refused: .*supersede/i);
    expect(jsonLines<Record<string, number>>(stdout)[0]?.["devicesRefused"]).toBe(20);
    await expectSettled(address, log);
  });
});
