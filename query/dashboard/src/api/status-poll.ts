import { durationMs } from "@bufbuild/protobuf/wkt";
import { type Signal, signal } from "@preact/signals";
import type { Clock } from "../../../../lib/base/clock.ts";
import { waitFor } from "../../../../lib/base/wait.ts";
import type { GetStatusResponse } from "../../../../proto/gen/telemetry/v1/admin_service_pb.js";
import { RefusalReason } from "../../../../proto/gen/telemetry/v1/batch_pb.js";
import { latencyMs, StatusHistory } from "../state/status-history.ts";
import { type StatusCounts, type StatusRates, statusRates } from "../state/status-rates.ts";
import type { Awake } from "./awake.ts";
import { type Api, errorText } from "./transport.ts";

const pollMs = 1_000;

export interface StatusReading {
  readonly status: GetStatusResponse;
  /** Undefined after the first answer of a run of the server. */
  readonly rates: StatusRates | undefined;
}

/** The server's status, once a second while somebody looks. */
export class StatusPoll {
  readonly reading: Signal<StatusReading | undefined> = signal(undefined);
  readonly history = new StatusHistory();
  /** Why there is none; empty: there is. */
  readonly problem = signal("");
  readonly #api: Api;
  readonly #clock: Clock;
  readonly #awake: Awake;

  constructor(api: Api, clock: Clock, awake: Awake) {
    this.#api = api;
    this.#clock = clock;
    this.#awake = awake;
  }

  /** Asks until the signal is aborted. */
  async run(ending: AbortSignal): Promise<void> {
    let before: StatusCounts | undefined;
    while (!ending.aborted) {
      await this.#awake.untilVisible(ending);
      if (ending.aborted) return;
      try {
        const status = await this.#api.admin.getStatus({}, { signal: ending });
        const now = countsOf(status, this.#clock.elapsedMs());
        const rates = statusRates(before, now);
        this.reading.value = { status, rates };
        this.history.put({
          timeMs: this.#clock.nowMs(),
          samplesPerSecond: rates?.samplesPerSecond ?? Number.NaN,
          ackP50Ms: latencyMs(status.ackP50),
          ackP99Ms: latencyMs(status.ackP99),
        });
        this.problem.value = "";
        before = now;
      } catch (error) {
        if (ending.aborted) return;
        this.problem.value = errorText(error);
      }
      await waitFor(pollMs, ending);
    }
  }
}

/** `TIME_IN_FUTURE` as `time in future`. */
export function reasonText(reason: RefusalReason): string {
  return (RefusalReason[reason] ?? `reason ${reason}`).toLowerCase().replaceAll("_", " ");
}

function countsOf(status: GetStatusResponse, atMs: number): StatusCounts {
  return {
    atMs,
    uptimeMs: status.uptime === undefined ? 0 : durationMs(status.uptime),
    counted: Number(status.samplesCounted),
    refused: Number(status.samplesRefused),
    groups: Number(status.groups),
  };
}
