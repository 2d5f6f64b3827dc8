import { randomBytes } from "node:crypto";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { createLogUpdate } from "log-update";
import { Fleet } from "../device-sim/fleet.ts";
import { Delivery } from "../device-sim/uplink/delivery.ts";
import { Uplink } from "../device-sim/uplink/uplink.ts";
import type { IngestQuotas } from "../ingest/quotas.ts";
import type { Tier } from "../lib/aggregate/tiers.ts";
import { systemClock } from "../lib/base/clock.ts";
import { Prng } from "../lib/base/prng.ts";
import { Channel, type Client } from "../lib/rpc/client.ts";
import type { RawRetention } from "../lib/store/raw-retention.ts";
import { FrameReader } from "../lib/wire/window-frame.ts";
import { QueryService } from "../proto/gen/telemetry/v1/query_service_pb.js";
import { exitCode } from "./exit.ts";
import { SeriesView } from "./series-view.ts";
import { TidemarkServer } from "./server.ts";
import { faint, heading, lineWidth, log, printLine } from "./terminal.ts";

export interface DemoOptions {
  readonly dataDir: string;
  readonly grpc: string;
  readonly http: string;
  readonly devices: number;
  readonly metrics: number;
  readonly intervalMs: number;
  readonly tiers: readonly Tier[];
  readonly quotas: IngestQuotas;
  readonly keepRaw: RawRetention | undefined;
}

const idPrefix = "demo-";
const connections = 2;
const spoolBytesMax = 256 * 1024;
const drainMs = 10_000;
const seriesShown = 10;
const redrawMs = 1_000;

/** A server and a fleet in one process; the fleet talks to it over gRPC as any other. */
export class Demo {
  readonly #options: DemoOptions;
  readonly #delivery = new Delivery();
  readonly #view = new SeriesView();
  readonly #draw = createLogUpdate(process.stdout);
  #samplesBefore = 0;
  #drawnMs = systemClock.elapsedMs();

  constructor(options: DemoOptions) {
    this.#options = options;
  }

  /** Runs until interrupted, then drains and prints the totals. */
  async run(interrupted: AbortSignal): Promise<void> {
    const { dataDir, grpc, http, tiers, quotas, keepRaw } = this.#options;
    const server = await TidemarkServer.start({ dataDir, grpc, http, tiers, log, quotas, keepRaw });
    const channel = new Channel(server.address);
    const query = channel.client(QueryService, "messages");
    const countedBefore = await this.#counted(query);
    log.info(`dashboard on http://${server.httpAddress}, API on http://${server.httpAddress}/api/`);
    log.info(`gRPC on ${server.address}, data in ${dataDir}; Ctrl-C drains and ends`);

    const watching = this.#watch(query, interrupted);
    const timer = setInterval(() => this.#show(server), redrawMs);
    await Promise.race([this.#runFleet(server.address, interrupted), server.failed]);
    clearInterval(timer);
    if (process.stdout.isTTY) this.#draw.done();
    await watching;

    const counted = (await this.#counted(query)) - countedBefore;
    channel.close();
    await server.stop();
    const { samplesSent, samplesAcked, samplesRejected } = this.#delivery;
    const rejected = samplesRejected === 0 ? "" : `, rejected ${samplesRejected}`;
    printLine(`sent ${samplesSent}, acked ${samplesAcked}, counted ${counted}${rejected}`);
    if (samplesSent !== samplesAcked + samplesRejected || samplesAcked !== counted) process.exitCode = exitCode.failed;
  }

  async #runFleet(address: string, interrupted: AbortSignal): Promise<void> {
    const { devices, metrics, intervalMs } = this.#options;
    const channels = Array.from({ length: connections }, () => new Channel(address));
    const uplinks = channels.map(
      (channel, i) =>
        new Uplink({
          channel,
          mode: "stream",
          spoolBytesMax,
          delivery: this.#delivery,
          clock: systemClock,
          prng: new Prng(1, `uplink ${i}`),
          randomBytes,
          log,
        }),
    );
    const fleet = new Fleet(
      {
        devices,
        metrics,
        intervalMs,
        batchSamples: metrics,
        seed: 1,
        startMs: systemClock.nowMs(),
        speed: 1,
        integers: false,
        batches: undefined,
        idPrefix,
        clock: systemClock,
      },
      uplinks,
    );
    await fleet.run(interrupted);
    await Promise.all(uplinks.map((uplink) => uplink.close(drainMs)));
    for (const channel of channels) channel.close();
  }

  /** Follows a handful of series, as any dashboard would. */
  async #watch(query: Client<typeof QueryService, "messages">, signal: AbortSignal): Promise<void> {
    const frames = new FrameReader();
    const deviceIds = ["1", "2"].map((i) => idPrefix + i.padStart(4, "0"));
    const snapshotFrom = timestampFromMs(systemClock.nowMs());
    try {
      for await (const { event } of query.subscribe(
        { selector: { deviceIds }, snapshotFrom, quantiles: [0.99] },
        { signal },
      )) {
        if (event.case !== "snapshot" && event.case !== "changes") continue;
        for (const window of frames.read(event.value)) this.#view.add(window);
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  /** One plain line per second, or the whole view in place on a terminal. */
  #show({ address, httpAddress }: TidemarkServer): void {
    const { samplesAcked } = this.#delivery;
    const nowMs = systemClock.elapsedMs();
    const rate = Math.round(((samplesAcked - this.#samplesBefore) * 1_000) / (nowMs - this.#drawnMs));
    this.#samplesBefore = samplesAcked;
    this.#drawnMs = nowMs;
    const { p50Ms, p99Ms } = this.#delivery.takeRecent();
    const status = `${this.#options.devices} devices  ${rate} samples/s  ack p50 ${p50Ms} ms p99 ${p99Ms} ms  ${samplesAcked} samples acked`;
    if (!process.stdout.isTTY) {
      printLine(status);
      return;
    }
    this.#draw(
      [
        `${heading("tidemark")}  http://${httpAddress}  gRPC on ${address}`,
        status,
        "",
        ...this.#view.lines(seriesShown, lineWidth()),
        "",
        faint("Ctrl-C drains and prints totals"),
      ].join("\n"),
    );
  }

  /** Samples of the demo's devices in the aggregates, from the first run on. */
  async #counted(query: Client<typeof QueryService, "messages">): Promise<number> {
    let counted = 0;
    let pageToken = "";
    do {
      const page = await query.listDevices({ pageSize: 1_000, pageToken });
      for (const device of page.devices) {
        if (device.deviceId.startsWith(idPrefix)) counted += Number(device.samplesCounted);
      }
      pageToken = page.nextPageToken;
    } while (pageToken !== "");
    return counted;
  }
}
