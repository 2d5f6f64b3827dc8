import type { Clock } from "../../lib/base/clock.ts";
import { errorMessage, TelemetryError } from "../../lib/base/errors.ts";
import type { Log } from "../../lib/base/log.ts";
import type { Prng } from "../../lib/base/prng.ts";
import { waitFor } from "../../lib/base/wait.ts";
import type { Channel } from "../../lib/rpc/client.ts";
import { IngestService } from "../../proto/gen/telemetry/v1/ingest_service_pb.js";
import type { DeliveryLog } from "../log/delivery-log.ts";
import { DeviceLog } from "../log/device-log.ts";
import type { Cargo, Carrier } from "./carrier.ts";
import type { Delivery } from "./delivery.ts";
import { type DeviceDescription, DeviceLink } from "./device-link.ts";
import { MemorySpools } from "./memory-spool.ts";
import { Mischief, type MischiefOptions } from "./mischief.ts";
import { Outbox } from "./outbox.ts";
import { carryByPush } from "./push-carrier.ts";
import { Retry } from "./retry.ts";
import { SealGroup } from "./seal-group.ts";
import type { Spools } from "./spool.ts";
import { carryByStream } from "./stream-carrier.ts";
import { carryByUpload } from "./upload-carrier.ts";

export const uplinkModes = ["stream", "upload", "push"] as const;
export type UplinkMode = (typeof uplinkModes)[number];

const carriers: Readonly<Record<UplinkMode, Carrier>> = {
  stream: carryByStream,
  upload: carryByUpload,
  push: carryByPush,
};

export interface UplinkOptions {
  readonly channel: Channel;
  readonly mode: UplinkMode;
  /** Bytes of each device's spool, when `spools` are not given. */
  readonly spoolBytesMax: number;
  readonly delivery: Delivery;
  readonly clock: Clock;
  readonly prng: Prng;
  /** Makes the random bytes of a spool's id, when `spools` are not given. */
  readonly randomBytes: (length: number) => Uint8Array;
  readonly log: Log;
  /** Where batches wait; in memory by default. */
  readonly spools?: Spools | undefined;
  /** Keeps what is sealed before it is sent; by default nobody does. */
  readonly seals?: SealGroup | undefined;
  /** What is sealed, acked, refused and lost is told here. */
  readonly deliveryLog?: DeliveryLog | undefined;
  readonly mischief?: MischiefOptions | undefined;
  /** Makes a new connection after one was cut on purpose; by default the old one is used again. */
  readonly openChannel?: () => Channel;
}

const secondMs = 1_000;

/**
 * The client of one connection for one or many devices (a gateway). It keeps each batch until it is acked,
 * and sends again after cuts, from where the server says that it is.
 */
export class Uplink {
  readonly #options: UplinkOptions;
  readonly #outbox = new Outbox();
  readonly #spools: Spools;
  readonly #seals: SealGroup;
  readonly #mischief: Mischief | undefined;
  #mayCutAtMs: number;
  /** The connection that took the place of one that was cut. */
  #ownChannel: Channel | undefined;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;

  constructor(options: UplinkOptions) {
    this.#options = options;
    const { spoolBytesMax, randomBytes, mischief } = options;
    this.#spools = options.spools ?? new MemorySpools({ bytesMax: spoolBytesMax, whenFull: "block" }, randomBytes);
    this.#seals = options.seals ?? new SealGroup();
    this.#mischief = mischief && new Mischief(mischief);
    this.#mayCutAtMs = options.clock.elapsedMs() + secondMs;
    this.#running = this.#run();
    this.#running.catch(() => {});
  }

  add(description: DeviceDescription): DeviceLink {
    const { delivery, deliveryLog } = this.#options;
    const { deviceId, metrics } = description;
    const { spool, deviceHandle } = this.#spools.open(deviceId);
    const names = metrics.map(({ name }) => name);
    const link = new DeviceLink(description, {
      handle: deviceHandle,
      spool,
      outbox: this.#outbox,
      delivery,
      seals: this.#seals,
      log: deliveryLog && new DeviceLog(deliveryLog, deviceId, spool.id, names),
    });
    this.#outbox.add(link);
    return link;
  }

  /** Batches that are sealed and not acked. */
  get unackedBatches(): number {
    return this.#outbox.devices.reduce((sum, device) => sum + device.spool.unackedBatches, 0);
  }

  /** Devices that the server has refused for good, and why. */
  get failures(): ReadonlyMap<string, TelemetryError> {
    const failed = this.#outbox.devices.filter((device) => device.failure !== undefined);
    return new Map(failed.map((device) => [device.deviceId, device.failure as TelemetryError]));
  }

  /**
   * Sends what is left and waits for its acks; call when nothing more will be sealed.
   * @returns when all is acked, or after `timeoutMs`
   */
  async close(timeoutMs: number): Promise<void> {
    this.#outbox.closing = true;
    this.#outbox.wake();
    const timer = setTimeout(() => this.#stop.abort(), timeoutMs);
    await this.#running;
    clearTimeout(timer);
    this.#ownChannel?.close();
  }

  async #run(): Promise<void> {
    const { mode, delivery, prng, log } = this.#options;
    const { signal } = this.#stop;
    const retry = new Retry(prng);
    // A tick later, so that devices can be added first, and registered together.
    await Promise.resolve();
    while (!this.#outbox.finished && !signal.aborted) {
      const ackedBefore = delivery.batchesAcked;
      let failure: unknown;
      try {
        await this.#carry();
        if (mode === "upload" || this.#outbox.finished) continue;
        log.warn("the server ended the stream; connecting again");
      } catch (error) {
        if (signal.aborted) return;
        if (delivery.batchesAcked > ackedBefore) retry.progressed();
        if (retry.isOver(error)) return this.#failAll(error);
        failure = error;
        for (const device of this.#outbox.devices) device.forgetMark();
        log.warn(`${errorMessage(error)}; connecting again`);
      }
      delivery.reconnects += 1;
      if (delivery.batchesAcked > ackedBefore) retry.progressed();
      await waitFor(retry.waitMs(failure), signal);
    }
  }

  /** One call, or until it is cut. */
  async #carry(): Promise<void> {
    const { channel, delivery, clock, mode } = this.#options;
    const mischief = this.#mischief;
    mischief?.forget();
    const client = (this.#ownChannel ?? channel).client(IngestService, "bytes");
    const cargo: Cargo = { client, outbox: this.#outbox, delivery, clock, mischief };
    if (!mischief?.everCuts) return await carriers[mode](cargo, this.#stop.signal);
    const over = new AbortController();
    const cut = new AbortController();
    const cutting = this.#cutSometime(mischief, cut, over.signal);
    try {
      await carriers[mode](cargo, AbortSignal.any([this.#stop.signal, cut.signal]));
    } finally {
      over.abort();
      await cutting;
      if (cut.signal.aborted) {
        delivery.cuts += 1;
        this.#connectAgain();
      }
    }
  }

  /** Once per second, however short the calls are. */
  async #cutSometime(mischief: Mischief, cut: AbortController, over: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    for (;;) {
      await waitFor(this.#mayCutAtMs - clock.elapsedMs(), over);
      if (over.aborted) return;
      this.#mayCutAtMs = clock.elapsedMs() + secondMs;
      if (!mischief.cuts) continue;
      cut.abort();
      return;
    }
  }

  #connectAgain(): void {
    const { openChannel } = this.#options;
    if (openChannel === undefined) return;
    this.#ownChannel?.close();
    this.#ownChannel = openChannel();
  }

  #failAll(cause: unknown): void {
    const failure =
      cause instanceof TelemetryError ? cause : new TelemetryError("INTERNAL", "BUG", errorMessage(cause), { cause });
    for (const device of this.#outbox.devices) device.fail(failure);
  }
}
