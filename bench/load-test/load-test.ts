import { randomBytes } from "node:crypto";
import { after } from "../../cli/interrupt.ts";
import { systemClock } from "../../lib/base/clock.ts";
import { errorMessage, TelemetryError } from "../../lib/base/errors.ts";
import { spoolIdBytes } from "../../lib/base/limits.ts";
import { waitFor } from "../../lib/base/wait.ts";
import { QueryService } from "../../proto/gen/telemetry/v1/query_service_pb.js";
import { DueTimes } from "./due-times.ts";
import { LoadDevices } from "./load-devices.ts";
import { checkLoadOptions, type LoadOptions } from "./load-options.ts";
import type { LoadResult } from "./load-result.ts";
import { LoadSpool, LoadSpools } from "./load-spool.ts";
import { LoadTally } from "./load-tally.ts";
import { connectAll, type LoadChannels, LoadUplinks } from "./load-uplinks.ts";
import { Pacer } from "./pacer.ts";
import { verifyLoad } from "./verification.ts";

export type LoadPhase = "registering" | "loading" | "draining" | "verifying";

/** Batches that are sealed and not acked, in bytes. */
const waitingBytesMaxDefault = 128 * 1024 * 1024;
/** What a batch takes besides its values. */
const batchOverheadBytes = 512;
/** Devices that have not been registered by then are registered while the load runs. */
const registeringMsMax = 60_000;
const pollMs = 10;
/** The server may just have started again. */
const reachMs = 10_000;

/** A load against a running server. */
export class LoadTest {
  phase: LoadPhase = "registering";
  readonly options: LoadOptions;
  readonly tally = new LoadTally();
  readonly dueTimes: DueTimes;
  readonly pacer: Pacer;
  readonly uplinks: LoadUplinks;
  readonly #channels: LoadChannels;
  readonly #devices: LoadDevices;

  /** @throws TelemetryError when the server cannot be reached, knows devices of the load, or the options are wrong */
  static async connect(options: LoadOptions, waitingBytesMax = waitingBytesMaxDefault): Promise<LoadTest> {
    checkLoadOptions(options);
    return new LoadTest(options, await connectAll(options), waitingBytesMax);
  }

  private constructor(options: LoadOptions, channels: LoadChannels, waitingBytesMax: number) {
    const { samplesPerSecond, batchSamples } = options;
    this.options = options;
    this.#channels = channels;
    this.dueTimes = new DueTimes({ ...options, batchesPerSecond: samplesPerSecond / batchSamples });
    const bounds = { bytesMax: waitingBytesMax, whenFull: "block" } as const;
    const elapsedMs = () => this.pacer.elapsedMs();
    const spools = new LoadSpools(() => new LoadSpool(randomBytes(spoolIdBytes), bounds, this.tally, elapsedMs));
    this.uplinks = new LoadUplinks(options, channels, spools, waitingBytesMax);
    this.#devices = new LoadDevices(options, this.uplinks.all, spools, this.tally);
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
    await this.#registered(interrupted);
    this.phase = "loading";
    const load = await this.#load(interrupted);
    this.phase = "draining";
    await this.#drain();
    const batchesUnsealed = this.#giveUpRest();
    this.phase = "verifying";
    const verified = await this.#verify();
    for (const channel of this.#channels) channel.close();
    const { tally, options, pacer, uplinks } = this;
    const { cuts, batchesRepeated, reconnects, slowDowns } = uplinks.delivery;
    return {
      options,
      seconds: load.ms / 1_000,
      isInterrupted: interrupted.aborted,
      offered: (tally.batchesSealed + tally.batchesSkipped + batchesUnsealed) * options.batchSamples,
      sent: tally.batchesSealed * options.batchSamples,
      acked: tally.batchesAcked * options.batchSamples,
      ackedPerSecond: load.ackedPerSecond,
      ackMs: tally.ackMs.quantiles(),
      ...verified,
      faults: { cuts, batchesRepeated, readingsLate: this.#devices.readings.late },
      reconnects,
      slowDowns,
      devicesFailed: tally.devicesFailed,
      refusals: uplinks.refusals,
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
    const over = new AbortController();
    const stop = after(options.durationMs, AbortSignal.any([interrupted, over.signal]));
    await pacer.run(after(options.rampMs, stop));
    const rampMs = pacer.elapsedMs();
    const batchesInRamp = tally.batchesAcked;
    await pacer.run(stop);
    // What is due last is sealed by then; the load lasts to its end.
    const endsEarly = interrupted.aborted || tally.devicesFailed === options.devices;
    if (!endsEarly) await waitFor(options.durationMs - pacer.elapsedMs(), stop);
    over.abort();
    const ms = pacer.elapsedMs();
    if (endsEarly) this.dueTimes.endAt(ms);
    const { user, system } = process.cpuUsage(cpuBefore);
    const [batches, batchesMs] =
      ms > rampMs + pollMs ? [tally.batchesAcked - batchesInRamp, ms - rampMs] : [tally.batchesAcked, ms];
    return {
      ms,
      ackedPerSecond: (batches * options.batchSamples * 1_000) / batchesMs,
      usage: {
        cpuShare: (user + system) / 1_000 / ms,
        busyShare: performance.eventLoopUtilization(loopBefore).utilization,
      },
    };
  }

  /** Seals what was due and had no room, and waits for the acks of everything, for so long. */
  async #drain(): Promise<void> {
    const { drainMs } = this.options;
    const endsAtMs = systemClock.elapsedMs() + drainMs;
    const over = new AbortController();
    await this.pacer.run(after(drainMs, over.signal));
    over.abort();
    await this.uplinks.close(Math.max(0, endsAtMs - systemClock.elapsedMs()));
  }

  /** What is not acked has taken longer than until now. @returns batches that had no room until the end */
  #giveUpRest(): number {
    const { dueTimes, tally, pacer } = this;
    for (const spool of this.#devices.spools) spool.giveUp();
    const nowMs = pacer.elapsedMs();
    let batches = 0;
    for (; dueTimes.nextMs !== Number.POSITIVE_INFINITY; dueTimes.advance()) {
      tally.gaveUp(nowMs - dueTimes.nextMs);
      batches += 1;
    }
    return batches;
  }

  async #verify(): Promise<Pick<LoadResult, "verification" | "notVerified">> {
    const { ids, metrics, spools, readings } = this.#devices;
    const { idPrefix, batchSamples, durationMs, drainMs } = this.options;
    const { startedAtMs } = this.pacer;
    const [channel] = this.#channels;
    try {
      await channel.ready(Math.min(reachMs, drainMs));
      const verification = await verifyLoad(channel.client(QueryService, "messages"), {
        idPrefix,
        deviceIds: ids,
        metrics,
        samples: readings.made,
        sessions: spools,
        batchSamples,
        fromMs: startedAtMs - Math.ceil(readings.reachMs),
        toMs: startedAtMs + durationMs + 1,
      });
      return { verification, notVerified: "" };
    } catch (error) {
      if (!(error instanceof TelemetryError)) throw error;
      return { verification: undefined, notVerified: errorMessage(error) };
    }
  }
}
