import { createReadStream, existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { Prng } from "../../lib/base/prng.ts";
import { Cli, serve, temporaryDirectory, tidemark, until } from "../system/support/cli.ts";

/** `npm run test:kills -- --kills 500` asks for more. */
const kills = Number(process.env["KILLS"] ?? 8);
const seed = Number(process.env["KILLS_SEED"] ?? 1);

/** 50 devices that lose their connections and send batches again, whatever the server does. */
const unruly = ["--devices", "50", "--connections", "4", "--integers", "--resend", "0.05", "--cut", "0.3", "--json"];
const live = ["--interval", "20ms"];
const history = ["--batches", "160", "--batch-samples", "200", "--start", "2026-01-01T00:00:00Z", "--speed", "max"];
/** Windows that are over, and rolled up, while a test runs; verify looks at 10 s and 1 min. */
const shortTiers = ["--tiers", "1s,2s,10s,1m", "--lateness", "500ms"];
const settled = /^sent = acked = counted, 0 lost, 0 counted twice/m;

async function simulation(address: string, flags: readonly string[]): Promise<{ sim: Cli; log: string }> {
  const log = join(await temporaryDirectory(), "delivery.log");
  const sim = new Cli(["simulate", "--address", address, "--log", log, ...unruly, ...flags]);
  // It has reached the server, and sends.
  await until(() => sim.over || (existsSync(log) && statSync(log).size > 0));
  return { sim, log };
}

/** How many samples are kept. */
async function exported(address: string, selection: readonly string[]): Promise<{ samples: number; distinct: number }> {
  const file = join(await temporaryDirectory(), "samples.ndjson");
  const range = ["--from", "now-1d", "--to", "now+1h", "--format", "ndjson", "--out", file];
  const { code, stderr } = await tidemark(["export", "samples", "--address", address, ...range, ...selection]);
  expect(code, stderr).toBe(0);
  let samples = 0;
  const distinct = new Set<string>();
  for await (const line of createInterface({ input: createReadStream(file) })) {
    samples += 1;
    if (line.includes('"sim-0001"')) distinct.add(line);
  }
  return { samples, distinct: distinct.size };
}

async function expectSettled(address: string, log: string): Promise<void> {
  const { code, stdout, stderr } = await tidemark(["verify", "--log", log, "--address", address]);
  expect(stdout + stderr).toMatch(settled);
  expect(code).toBe(0);
}

describe("a server that is killed", () => {
  it(
    `has every acked sample once, after ${kills} kills at random moments, seed ${seed}`,
    async () => {
      const prng = new Prng(seed, "kills");
      const data = ["--data", await temporaryDirectory(), ...shortTiers, "--keep-raw", "1d"];
      let { server, address } = await serve(data);
      const { sim, log } = await simulation(address, live);
      const readyMs: number[] = [];
      for (let kill = 0; kill < kills; kill += 1) {
        // The moment is what is tried; nothing is waited for.
        await sleep(50 + prng.below(400));
        await server.kill();
        const killedMs = performance.now();
        ({ server } = await serve([...data, "--grpc", address]));
        readyMs.push(performance.now() - killedMs);
      }
      sim.signal("SIGINT");
      const { code, stdout, stderr } = await sim.ended;
      expect(code, stderr).toBe(0);
      const { samplesAcked } = JSON.parse(stdout) as { samplesAcked: number };
      expect(samplesAcked).toBeGreaterThan(kills * 100);
      await expectSettled(address, log);
      expect(await exported(address, ["--metric", "*"])).toMatchObject({ samples: samplesAcked });
      const { samples, distinct } = await exported(address, ["--device", "sim-0001"]);
      expect(distinct).toBe(samples);
      // On a machine that others use, some start of a process takes long: half of them must not.
      readyMs.sort((a, b) => a - b);
      expect(readyMs[kills >> 1]).toBeLessThan(2_000);
    },
    30_000 + kills * 3_000,
  );

  it.each([
    ["before a group is in the journal", "before-append:40", live],
    ["after a group is in the journal, before its acks", "after-append:40", live],
    ["between two flushes", "before-flush:3", live],
    ["before a window is rolled up", "in-roll-up:1", live],
    ["between the parts of a roll-up", "in-roll-up:5", live],
    // Its log is long enough only after some 16 MiB.
    ["before a checkpoint", "before-checkpoint:1", history],
    ["in a checkpoint", "in-checkpoint:4", history],
  ])("has every acked sample once, when it is killed %s", async (_, fault, load) => {
    const tiers = load === live ? shortTiers : [];
    const data = ["--data", await temporaryDirectory(), ...tiers];
    const { server, address } = await serve([...data, "--fault", fault]);
    const { sim, log } = await simulation(address, load);
    // It ends itself when it gets there.
    expect((await server.ended).code).toBeNull();
    await serve([...data, "--grpc", address]);
    if (load === live) sim.signal("SIGINT");
    expect((await sim.ended).code).toBe(0);
    await expectSettled(address, log);
  });

  it("has every acked sample once, when it is killed again and again while it recovers", async () => {
    const data = ["--data", await temporaryDirectory()];
    const { server, address } = await serve(data);
    const { sim, log } = await simulation(address, ["--interval", "10ms"]);
    await sleep(700);
    await server.kill();
    for (const step of [1, 2, 5, 9]) {
      const again = new Cli(["serve", "--json", "--grpc", address, ...data, "--fault", `in-recovery:${step}`]);
      expect((await again.ended).code).toBeNull();
    }
    await serve([...data, "--grpc", address]);
    sim.signal("SIGINT");
    expect((await sim.ended).code).toBe(0);
    await expectSettled(address, log);
  });
});
