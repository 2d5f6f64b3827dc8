import { describe, expect, it } from "vitest";
import { aborted } from "../support/rpc.ts";
import { fleetDefaults, fleetOf, linksOf, never, startUplink, until } from "./support/fleet.ts";
import { serveScript } from "./support/scripted-server.ts";

const { devices, batchSamples } = fleetDefaults;
const spoolBytesMax = 8 * 1024;
/** 30 values, their times, and what is around them. */
const batchBytesMax = 512;

/** A server that reads no batches before it is let go. */
async function stalledServer() {
  const gate = Promise.withResolvers<void>();
  const server = await serveScript({ beforeBatches: () => gate.promise });
  return { address: server.address, letGo: gate.resolve };
}

/** Turns of the event loop in which everything would happen that is not held up. */
async function manyTurns(): Promise<void> {
  for (let turn = 0; turn < 500; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

describe("with a server that does not read, a fleet", () => {
  it("holds no more than its spools, and goes on when the server does", async () => {
    const { address, letGo } = await stalledServer();
    const sender = startUplink(address, "stream", spoolBytesMax);
    const batches = 200;
    let over = false;
    const links = linksOf(sender);
    const running = fleetOf([sender], { batches })
      .run(never)
      .finally(() => {
        over = true;
      });
    await until(() => links.every(({ spool }) => spool.bytes >= spoolBytesMax));
    const sealed = links.map(({ spool }) => spool.nextSequence);
    await manyTurns();

    // The batch that filled it is over the bound, and none was sealed since.
    for (const { spool } of links) expect(spool.bytes).toBeLessThan(spoolBytesMax + batchBytesMax);
    expect(links.map(({ spool }) => spool.nextSequence)).toEqual(sealed);
    expect(Math.max(...sealed)).toBeLessThan(batches);
    expect({ over, acked: sender.delivery.batchesAcked }).toEqual({ over: false, acked: 0 });

    letGo();
    await running;
    await sender.uplink.close(20_000);
    expect(sender.delivery.samplesAcked).toBe(devices * batches * batchSamples);
  });

  it("ends when it is stopped, though its spools are full", async () => {
    const { address } = await stalledServer();
    const sender = startUplink(address, "stream", spoolBytesMax);
    const links = linksOf(sender);
    const stop = new AbortController();
    const running = fleetOf([sender], { batches: undefined }).run(stop.signal);
    await until(() => links.every(({ spool }) => spool.bytes >= spoolBytesMax));
    stop.abort();
    // A bound on failure: nothing has to be waited for.
    const late = aborted(AbortSignal.timeout(2_000)).then(() => "still running");
    expect(await Promise.race([running.then(() => "ended"), late])).toBe("ended");
  });
});
