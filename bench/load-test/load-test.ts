import { randomBytes } from "node:crypto";
import { connect } from "../../cli/connect.ts";
import { after } from "../../cli/interrupt.ts";
import { Delivery } from "../../device-sim/uplink/delivery.ts";
import { Uplink } from "../../device-sim/uplink/uplink.ts";
import { systemClock } from "../../lib/base/clock.ts";
import { errorMessage, invalidField, TelemetryError } from "../../lib/base/errors.ts";
import { spoolIdBytes } from "../../lib/base/limits.ts";
import { Prng } from "../../lib/base/prng.ts";
import { waitFor } from "../../lib/base/wait.ts";
import { Channel } from "../../lib/rpc/client.ts";
import { QueryService } from "../../proto/gen/telemetry/v1/query_service_pb.js";
import { DueTimes } from "./due-times.ts";
import type { Verification } from "./load-comparison.ts";
import { LoadDevices } from "./load-devices.ts";
import { checkLoadOptions, type LoadOptions } from "./load-options.ts";
import type { LoadResult } from "./load-result.ts";
import { LoadSpool, LoadSpools } from "./load-spool.ts";
import { LoadTally } from "./load-tally.ts";
import { Pacer } from "./pacer.ts";
import { verifyLoad } from "./verification.ts";

export type LoadPhase = "registering" | "loading" | "draining" | "verifying";

/** Batches that are sealed and not acked, in bytes, each with what it takes besides its values. */
const waitingBytesMax = 128 * 1024 * 1024;
const batchOverheadBytes = 512;
/** Devices that have not been registered by then are registered while the load runs. */
const registeringMsMax = 60_000;
const pollMs = 10;
/** The server may just have started again. */
const reachMs = 10_000;
const refusalsTold = 5;

/** A load against a running server. */
export class LoadTest {
  phase: LoadPhase = "registering";
  readonly options: LoadOptions;
  readonly tally = new LoadTally();
  readonly delivery = new Delivery();
  readonly dueTimes: DueTimes;
  readonly pacer: Pacer;
  /** What an uplink has warned of last. */
  warning = "";
  #cutsKnown = 0;
  readonly #channels: readonly Channel[];
  readonly #uplinks: readonly Uplink[];
  readonly #devices: LoadDevices;

  /**
   * Connects to the server.
   * @throws TelemetryError when it cannot be reached, it knows devices of the load already, or the options are wrong
   */
  static async connect(options: LoadOptions): Promise<LoadTest> {
    checkLoadOptions(options);
    const connections = Math.min(options.connections, options.devices);
    const channels = await Promise.all(Array.from({ length: connections }, () => connect(options.address)));
    try {
      await checkUnknown(channels[0], options.idPrefix);
      return new LoadTest(options, channels);
    } catch (error) {
      for (const channel of channels) channel.close();
      throw error;
    }
  }

  private constructor(options: LoadOptions, channels: readonly Channel[]) {
    const { samplesPerSecond, batchSamples } = options;
    this.options = options;
    this.#channels = channels;
    this.dueTimes = new DueTimes({ ...options, batchesPerSecond: samplesPerSecond / batchSamples });
    const bounds = { bytesMax: waitingBytesMax, whenFull: "block" } as const;
    const elapsedMs = () => this.pacer.elapsedMs();
    const spools = new LoadSpools(() => new LoadSpool(randomBytes(spoolIdBytes), bounds, this.tally, elapsedMs));
    this.#uplinks = channels.map((channel, i) => this.#uplinkOf(channel, i, spools));
    this.#devices = new LoadDevices(options, this.#uplinks, spools, this.tally);
    this.pacer = new Pacer({
      dueTimes: this.dueTimes,
      devices: this.#devices,
      tally: this.tally,
      clock: systemClock,
      batchesWaitingMax: Math.ceil(waitingBytesMax / (8 * batchSamples + batchOverheadBytes)),
    });
  }

  /** Runs to its end, or ends early, drains and verifies when it is interrupted. */
  async run(interrupted: AbortSignal): Promise<LoadResult> {
    const { tally, delivery, options, pacer } = this;
    await this.#registered(interrupted);
    const load = await this.#load(interrupted);
    this.phase = "draining";
    await this.#drain();
    for (const spool of this.#devices.spools) spool.giveUp();
    this.phase = "verifying";
    const verified = await this.#verify();
    for (const channel of this.#channels) channel.close();
    return {
      options,
      seconds: load.ms / 1_000,
      isInterrupted: interrupted.aborted,
      offered: (tally.batchesSealed + tally.batchesSkipped + this.#takeUnsealed()) * options.batchSamples,
      sent: tally.batchesSealed * options.batchSamples,
      acked: tally.batchesAcked * options.batchSamples,
      ackedPerSecond: load.ackedPerSecond,
      ackMs: tally.ackMs.quantiles(),
      ...verified,
      faults: {
        cuts: delivery.cuts,
        batchesRepeated: delivery.batchesRepeated,
        readingsLate: this.#devices.readings.late,
      },
      reconnects: delivery.reconnects,
      slowDowns: delivery.slowDowns,
      devicesFailed: tally.devicesFailed,
      refusals: this.#refusals(),
      generator: { lateMs: pacer.lateMs.quantiles(), ...load.usage },
    };
  }

  /** On a stream devices register first: a load of ten thousand would begin with the wait for all of them. */
  async #registered(interrupted: AbortSignal): Promise<void> {
    if (this.options.mode !== "stream") return;
    const { tally } = this;
    const untilMs = systemClock.elapsedMs() + registeringMsMax;
    while (tally.devicesRegistered + tally.devicesFailed < this.options.devices) {
      if (interrupted.aborted || systemClock.elapsedMs() > untilMs) return;
      await waitFor(pollMs, interrupted);
    }
  }

  async #load(interrupted: AbortSignal) {
    const { pacer, tally, options } = this;
    const cpuBefore = process.cpuUsage();
    const loopBefore = performance.eventLoopUtilization();
    pacer.start();
    this.phase = "loading";
    const over = new AbortController();
    const stop = after(options.durationMs, AbortSignal.any([interrupted, over.signal]));
    await pacer.run(after(options.rampMs, stop));
    const rampMs = pacer.elapsedMs();
    const batchesInRamp = tally.batchesAcked;
    await pacer.run(stop);
    // What is due last is sealed by then; the load lasts to its end.
    if (tally.devicesFailed < options.devices) await waitFor(options.durationMs - pacer.elapsedMs(), stop);
    over.abort();
    const endsEarly = interrupted.aborted || tally.devicesFailed === options.devices;
    const ms = pacer.elapsedMs();
    if (endsEarly) this.dueTimes.endAt(ms);
    const { user, system } = process.cpuUsage(cpuBefore);
    const batches = rampMs < ms ? tally.batchesAcked - batchesInRamp : tally.batchesAcked;
    return {
      ms,
      ackedPerSecond: (batches * options.batchSamples * 1_000) / (rampMs < ms ? ms - rampMs : ms),
      usage: {
        cpuShare: (user + system) / 1_000 / ms,
        busyShare: performance.eventLoopUtilization(loopBefore).utilization,
      },
    };
  }

  /** Seals what was due and had no room, and waits for the acks of everything, for so long. */
  async #drain(): Promise<void> {
    const endsAtMs = systemClock.elapsedMs() + this.options.drainMs;
    await this.pacer.run(AbortSignal.timeout(this.options.drainMs));
    const leftMs = Math.max(0, endsAtMs - systemClock.elapsedMs());
    await Promise.all(this.#uplinks.map((uplink) => uplink.close(leftMs)));
  }

  /** @returns batches that were due, and had no room until the end */
  #takeUnsealed(): number {
    const nowMs = this.pacer.elapsedMs();
    let batches = 0;
    for (; this.dueTimes.nextMs !== Number.POSITIVE_INFINITY; this.dueTimes.advance()) {
      this.tally.gaveUp(nowMs - this.dueTimes.nextMs);
      batches += 1;
    }
    return batches;
  }

  async #verify(): Promise<{ verification: Verification | undefined; notVerified: string }> {
    const { ids, metrics, spools, readings } = this.#devices;
    const { idPrefix, batchSamples, durationMs } = this.options;
    const [channel] = this.#channels;
    try {
      await channel.ready(Math.min(reachMs, this.options.drainMs));
      const verification = await verifyLoad(channel.client(QueryService, "messages"), {
        idPrefix,
        deviceIds: ids,
        metrics,
        samples: readings.made,
        sessions: spools,
        batchSamples,
        fromMs: this.pacer.startedAtMs - Math.ceil(readings.reachMs),
        toMs: this.pacer.startedAtMs + durationMs + 1,
      });
      return { verification, notVerified: "" };
    } catch (error) {
      if (!(error instanceof TelemetryError)) throw error;
      return { verification: undefined, notVerified: errorMessage(error) };
    }
  }

  /** What was cut on purpose is no news. */
  #warn(message: string): void {
    if (this.delivery.cuts > this.#cutsKnown) this.#cutsKnown = this.delivery.cuts;
    else this.warning = message;
  }

  #refusals(): string[] {
    const failures = this.#uplinks.flatMap((uplink) => [...uplink.failures]);
    return [
      ...failures.slice(0, refusalsTold).map(([deviceId, { message }]) => `${deviceId} was refused: ${message}`),
      ...[...this.delivery.refusals.values()].map((detail) => `samples were refused, first ${detail}`),
    ];
  }

  #uplinkOf(channel: Channel, i: number, spools: LoadSpools): Uplink {
    const { mode, seed, cutRate, resendRate, address } = this.options;
    const mischief = { resendRate, cutRate, prng: new Prng(seed, `mischief ${i}`) };
    return new Uplink({
      channel,
      mode,
      spoolBytesMax: waitingBytesMax,
      delivery: this.delivery,
      clock: systemClock,
      prng: new Prng(seed, `uplink ${i}`),
      randomBytes,
      log: {
        info: () => {},
        warn: (message) => this.#warn(message),
      },
      spools,
      ...(resendRate + cutRate > 0 && { mischief, openChannel: () => new Channel(address) }),
    });
  }
}

/** The verification holds all that the server has of the load's devices against what is sent now. */
async function checkUnknown(channel: Channel, idPrefix: string): Promise<void> {
  const query = channel.client(QueryService, "messages");
  const { devices } = await query.listDevices({ pageSize: 1, deviceIdPrefixes: [idPrefix] }, { timeoutMs: reachMs });
  const [first] = devices;
  if (first === undefined) return;
  throw invalidField(
    "--id-prefix",
    `is ${JSON.stringify(idPrefix)}, and the server has ${first.deviceId} already`,
    "choose one that is new to it, or none",
  );
}
