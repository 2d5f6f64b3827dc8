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

/** It looks so often whether it is to stop. */
const stopWithinMs = 10;
/** Longer than any trial: the signal ends it. */
const durationSeconds = 86_400;
const timeoutSeconds = 60;

/**
 * A closed loop over HTTP/1.1, driven by autocannon, a connection per slot. Times are taken here, its own results are not
 * used; its correction for coordinated omission needs a rate, and there is none. At its end it cuts off what is in
 * flight: the workload has it as not settled, and whoever sends it again with the same sequence does no harm.
 */
export class AutocannonLoop implements Loop {
  readonly waiting = 0;
  readonly #options: AutocannonOptions;
  readonly #sentMs: Float64Array;
  #failure: Error | undefined;

  constructor(options: AutocannonOptions) {
    this.#options = options;
    this.#sentMs = new Float64Array(options.cell.slots);
  }

  async run(ending: AbortSignal): Promise<void> {
    const { cell, addresses } = this.#options;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    let clients = 0;
    const options: autocannon.Options = {
      url: `${cell.tls ? "https" : "http"}://${addresses.http1}`,
      connections: cell.slots,
      pipelining: 1,
      duration: durationSeconds,
      timeout: timeoutSeconds,
      sampleInt: stopWithinMs,
      skipAggregateResult: true,
      ...(addresses.ca !== undefined && { tlsOptions: { ca: addresses.ca } }),
      setupClient: (client) => client.setRequests([this.#requestOf(clients++, () => instance.stop())]),
    };
    const instance = autocannon(options, (error: unknown) => (error ? reject(error) : resolve()));
    instance.on("reqError", (error: Error) => {
      this.#failure ??= new TelemetryError("UNAVAILABLE", "HTTP_ERROR", error.message, { cause: error });
      instance.stop();
    });
    const stop = () => instance.stop();
    ending.addEventListener("abort", stop);
    if (ending.aborted) stop();
    await promise;
    ending.removeEventListener("abort", stop);
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Called back for each request anew. After a lost connection it takes the same message again. */
  #requestOf(slot: number, stop: () => void): autocannon.Request {
    const { cell, workload, clock, meter } = this.#options;
    return {
      method: "POST",
      path: batchesPath,
      headers: requestHeaders(cell),
      setupRequest: (request) => {
        this.#sentMs[slot] = clock.elapsedMs();
        const [batch] = workload.take(slot);
        request.body = requestBody(batch.bytes, cell);
        return request;
      },
      onResponse: (status, body) => {
        if (status === 200) {
          workload.settle(slot);
          meter.settled(this.#sentMs[slot]);
        } else {
          this.#failure ??= httpFailure(status, body);
          stop();
        }
      },
    };
  }
}
