import {
  type Health as HealthService,
  HealthCheckResponse_ServingStatus as ServingStatus,
} from "../../proto/gen/grpc/health/v1/health_pb.js";
import { invalidField, TelemetryError } from "../base/errors.ts";
import { healthServiceCharsMax, healthWatchesMax } from "../base/limits.ts";
import type { Slots } from "../base/slots.ts";
import { Change } from "../base/wait.ts";
import type { Handlers } from "./handlers.ts";
import { openCalls } from "./open-calls.ts";

const { SERVING, NOT_SERVING, SERVICE_UNKNOWN } = ServingStatus;

export interface HealthOptions {
  /** Watches at once. */
  readonly watchesMax?: number;
}

/**
 * Which services can be used, for probes and load balancers (`grpc.health.v1`).
 * https://github.com/grpc/grpc/blob/master/doc/health-checking.md
 */
export class Health {
  readonly #statuses = new Map<string, ServingStatus>();
  readonly #change = new Change();
  readonly #ending = new AbortController();
  readonly #watches: Slots;

  constructor({ watchesMax = healthWatchesMax }: HealthOptions = {}) {
    this.#watches = openCalls("health watches", watchesMax);
  }

  /** @param service its full name; empty: the server as a whole */
  set(service: string, isServing: boolean): void {
    this.#statuses.set(service, isServing ? SERVING : NOT_SERVING);
    this.#change.tell();
  }

  /** Every watch sends the status as it is now, if it has not, and ends with OK. */
  end(): void {
    this.#ending.abort();
  }

  handlers(): Handlers<typeof HealthService, "messages"> {
    return {
      check: async ({ service }) => {
        checkName(service);
        const status = this.#statuses.get(service);
        if (status === undefined) throw notFound(service);
        return { status };
      },
      // As many as the server has set: no request adds to them.
      list: async () => ({
        statuses: Object.fromEntries([...this.#statuses].map(([service, status]) => [service, { status }])),
      }),
      watch: ({ service }, { signal }) => this.#watch(service, signal),
    };
  }

  async *#watch(service: string, signal: AbortSignal): AsyncGenerator<{ status: ServingStatus }, void> {
    checkName(service);
    const leave = await this.#watches.take(signal);
    const over = AbortSignal.any([signal, this.#ending.signal]);
    let told: ServingStatus | undefined;
    try {
      while (!signal.aborted) {
        // As it is when the client has taken the one before: what it was meanwhile is of no use any more.
        const status = this.#statuses.get(service) ?? SERVICE_UNKNOWN;
        if (status !== told) {
          yield { status };
          told = status;
        } else if (over.aborted) return;
        else await this.#change.wait(Number.POSITIVE_INFINITY, over);
      }
    } finally {
      leave();
    }
  }
}

function checkName(service: string): void {
  if (service.length <= healthServiceCharsMax) return;
  throw invalidField(
    "service",
    `has ${service.length} characters, the limit is ${healthServiceCharsMax}`,
    "send the full name of a service, or nothing for the server as a whole",
  );
}

function notFound(service: string): TelemetryError {
  return new TelemetryError(
    "NOT_FOUND",
    "SERVICE_NOT_FOUND",
    `service: no service ${JSON.stringify(service)}; List tells which there are`,
    { field: "service" },
  );
}
