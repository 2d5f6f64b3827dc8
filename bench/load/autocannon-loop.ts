import autocannon from "autocannon";
import type { Clock } from "../../lib/base/clock.ts";
import { TelemetryError } from "../../lib/base/errors.ts";
import type { Cell } from "../cell.ts";
import type { Loop } from "./loop.ts";
import type { GeneratorPlan } from "./messages.ts";
import type { Meter } from "./meter.ts";
import { batchesPath, httpFailure, requestBody, requestHeaders } from "./transport/http-request.ts";
import type { Workload } from "./workload.ts";

export interface AutocannonOptions {
  readonly cell: Cell;
  readonly addresses: GeneratorPlan["addresses"];
  readonly workload: Workload;
  readonly clock: Clock;
  readonly meter: Meter;
}

/** What its clients have, and its types do not: the requests after which one ends, when it would send the next. */
type EndingClient = autocannon.Client & { responseMax?: number };

/** It looks so often whether it is to stop. */
const stopWithinMs = 10;
/** Longer than any trial: the signal ends it. */
const durationSeconds = 86_400;
const timeoutSeconds = 60;

/**
 * A closed loop over HTTP/1.1, driven by autocannon, a connection per slot. Times are taken here, its own results are not
 * used; its correction for coordinated omission needs a rate, and there is none. It would cut off what is in flight at
 * its end, and the slowest of it most likely: so it is told to end each connection with the answer that it waits for.
 */
export class AutocannonLoop implements Loop {
  readonly waiting = 0;
  readonly #options: AutocannonOptions;
  /** By slot, NaN when nothing is in flight: what is sent again after a lost connection has been in flight since the first. */
  readonly #sentMs: Float64Array;
  #failure: Error | undefined;

  constructor(options: AutocannonOptions) {
    this.#options = options;
    this.#sentMs = new Float64Array(options.cell.slots).fill(Number.NaN);
  }

  async run(ending: AbortSignal): Promise<void> {
    const { cell, addresses } = this.#options;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const clients: EndingClient[] = [];
    const end = () => {
      for (const client of clients) client.responseMax = 1;
    };
    const options: autocannon.Options = {
      url: `${cell.tls ? "https" : "http"}://${addresses.http1}`,
      connections: cell.slots,
      pipelining: 1,
      duration: durationSeconds,
      timeout: timeoutSeconds,
      sampleInt: stopWithinMs,
      skipAggregateResult: true,
      ...(addresses.ca !== undefined && { tlsOptions: { ca: addresses.ca } }),
      setupClient: (client) => {
        const slot = clients.push(client) - 1;
        if (ending.aborted) end();
        client.setRequests([this.#requestOf(slot, () => instance.stop())]);
      },
    };
    const instance = autocannon(options, (error: unknown) => (error ? reject(error) : resolve()));
    instance.on("reqError", (error: Error) => {
      this.#failure ??= new TelemetryError("UNAVAILABLE", "HTTP_ERROR", error.message, { cause: error });
      instance.stop();
    });
    ending.addEventListener("abort", end);
    await promise;
    ending.removeEventListener("abort", end);
    if (this.#failure !== undefined) throw this.#failure;
    this.#expectNothingInFlight();
  }

  #expectNothingInFlight(): void {
    const { length } = this.#options.workload.unsettledSlots;
    if (length === 0) return;
    const message = `the server has closed ${length} connections before it answered`;
    throw new TelemetryError("UNAVAILABLE", "HTTP_ERROR", message);
  }

  /** Called back for each request anew. After a lost connection it takes the same message again. */
  #requestOf(slot: number, stop: () => void): autocannon.Request {
    const { cell, workload, clock, meter } = this.#options;
    return {
      method: "POST",
      path: batchesPath,
      headers: requestHeaders(cell),
      setupRequest: (request) => {
        if (Number.isNaN(this.#sentMs[slot])) this.#sentMs[slot] = clock.elapsedMs();
        const [batch] = workload.take(slot);
        request.body = requestBody(batch.bytes, cell);
        return request;
      },
      onResponse: (status, body) => {
        if (status === 200) {
          workload.settle(slot);
          meter.settled(this.#sentMs[slot]);
          this.#sentMs[slot] = Number.NaN;
        } else {
          this.#failure ??= httpFailure(status, body);
          stop();
        }
      },
    };
  }
}
