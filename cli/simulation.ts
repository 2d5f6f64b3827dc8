import { randomBytes } from "node:crypto";
import { Fleet } from "../device-sim/fleet.ts";
import type { FleetStart } from "../device-sim/fleet-memory.ts";
import { Delivery } from "../device-sim/uplink/delivery.ts";
import { Uplink } from "../device-sim/uplink/uplink.ts";
import { systemClock } from "../lib/base/clock.ts";
import { invalidField } from "../lib/base/errors.ts";
import { Prng } from "../lib/base/prng.ts";
import { formatTime } from "../lib/base/time.ts";
import type { Channel } from "../lib/rpc/client.ts";
import { connectTo } from "./connect.ts";
import { FleetKeeping } from "./fleet-keeping.ts";
import { after } from "./interrupt.ts";
import { Progress } from "./progress.ts";
import { serverAt } from "./server-flags.ts";
import { disorderOf, fleetBasis, type SimulateOptions, spoolBytes } from "./simulate-options.ts";
import { log } from "./terminal.ts";

/** Samples that are not acked this long after the fleet has stopped are given up, and told. */
const drainMs = 30_000;

export type Summary = Awaited<ReturnType<typeof simulate>>;

/** Runs a fleet to its end. */
export async function simulate(options: SimulateOptions, interrupted: AbortSignal) {
  const keeping = new FleetKeeping(options, (start) => checkStart(options, start));
  try {
    return await runFleet(options, keeping, interrupted);
  } finally {
    keeping.close();
  }
}

async function runFleet(options: SimulateOptions, keeping: FleetKeeping, interrupted: AbortSignal) {
  const { startMs, startedAtMs } = keeping.start;
  const delivery = new Delivery();
  const server = serverAt(options);
  const channels = await Promise.all(
    Array.from({ length: Math.min(options.connections, options.devices) }, () => connectTo(server)),
  );
  const uplinks = channels.map((channel, i) => uplinkOf(options, keeping, delivery, channel, i));
  const fleet = new Fleet(
    {
      ...fleetBasis(options),
      disorder: disorderOf(options),
      speed: options.speed,
      batches: options.batches,
      startMs,
      startedAgoMs: keeping.goesOn ? systemClock.nowMs() - startedAtMs : 0,
      sealRest: options.spool === undefined,
      clock: systemClock,
    },
    uplinks,
  );

  const startedMs = systemClock.elapsedMs();
  const progress = fleetProgress(options, delivery, startedMs);
  const stop = options.duration === undefined ? interrupted : after(options.duration, interrupted);
  await fleet.run(stop);
  await Promise.all(uplinks.map((uplink) => uplink.close(drainMs)));
  progress.stop();
  for (const channel of channels) channel.close();

  const failures = uplinks.flatMap((uplink) => [...uplink.failures]);
  for (const [deviceId, failure] of failures.slice(0, 5)) log.warn(`${deviceId} was refused: ${failure.message}`);
  for (const detail of delivery.refusals.values()) log.warn(`samples were refused, first ${detail}`);
  return {
    devices: options.devices,
    devicesRefused: failures.length,
    batchesSent: delivery.batchesSent,
    batchesAcked: delivery.batchesAcked,
    batchesLost: delivery.batchesLost,
    batchesUnacked: uplinks.reduce((sum, uplink) => sum + uplink.unackedBatches, 0),
    samplesSent: delivery.samplesSent,
    samplesAcked: delivery.samplesAcked,
    samplesRejected: delivery.samplesRejected,
    samplesLost: delivery.samplesLost,
    ...fleet.disorder,
    reconnects: delivery.reconnects,
    slowDowns: delivery.slowDowns,
    start: formatTime(startMs),
    seed: options.seed,
    seconds: Math.round(systemClock.elapsedMs() - startedMs) / 1_000,
    ackP50Ms: delivery.ackMs(50),
    ackP99Ms: delivery.ackMs(99),
  };
}

function uplinkOf(
  options: SimulateOptions,
  { spools, seals, deliveryLog }: FleetKeeping,
  delivery: Delivery,
  channel: Channel,
  i: number,
): Uplink {
  const { cut = 0 } = options;
  const { resendRate } = disorderOf(options);
  const mischief = { resendRate, cutRate: cut, prng: new Prng(options.seed, `mischief ${i}`) };
  return new Uplink({
    channel,
    mode: options.mode,
    spoolBytesMax: spoolBytes(options),
    delivery,
    clock: systemClock,
    prng: new Prng(options.seed, `uplink ${i}`),
    randomBytes,
    log,
    spools,
    seals,
    deliveryLog,
    ...(resendRate + cut > 0 && { mischief, openChannel: () => channel.another() }),
  });
}

function checkStart(
  { start, spool, speed, batches, batchSamples, metrics, interval }: SimulateOptions,
  { startMs }: FleetStart,
): void {
  const nowMs = systemClock.nowMs();
  if (speed !== 1 && start === undefined && (spool === undefined || startMs >= nowMs)) {
    throw invalidField("--speed", "is not realtime", "say with --start where in the past the samples begin");
  }
  if (startMs > nowMs)
    throw invalidField("--start", `is ${formatTime(startMs)}, in the future`, "choose a time up to now");
  if (speed === 1 || batches === undefined) return;
  const rows = Math.ceil((batches * (batchSamples ?? metrics)) / metrics);
  const endMs = startMs + (rows - 1) * interval;
  if (endMs > nowMs) {
    throw invalidField(
      "--batches",
      `would end at ${formatTime(endMs)}, in the future`,
      "choose an earlier --start, fewer batches or a shorter --interval",
    );
  }
}

function fleetProgress(options: SimulateOptions, delivery: Delivery, startedMs: number) {
  const { devices, batches, duration: durationMs } = options;
  const text = () => `${delivery.samplesAcked} samples acked, ack p99 ${delivery.ackMs(99)} ms`;
  if (batches !== undefined) {
    const sent = Math.round(devices * batches * (1 - disorderOf(options).missingRate));
    return new Progress(sent, () => [delivery.batchesAcked, `batches  ${text()}`]);
  }
  const elapsed = () => Math.round((systemClock.elapsedMs() - startedMs) / 1_000);
  return new Progress(Math.round((durationMs ?? 0) / 1_000), () => [elapsed(), `s  ${text()}`]);
}
