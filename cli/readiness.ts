import type { DescService } from "@bufbuild/protobuf";
import type { Log } from "../lib/base/log.ts";
import { Health } from "../lib/rpc/health.ts";
import { IngestService } from "../proto/gen/telemetry/v1/ingest_service_pb.js";

/** What health checks ask for besides services: the server as a whole, by the name that the protocol gives it. */
const whole = "";
/** And whether the process answers at all: who restarts it when it does not must not do so while its disk is full. */
const live = "live";

/** What of a server can be used: told to health checks, and to the log when it changes. */
export class Readiness {
  readonly health = new Health();
  readonly #log: Log;
  #names: readonly string[] = [];
  #problem = "";
  #isDraining = false;

  constructor(log: Log) {
    this.#log = log;
  }

  /** Whether the server as a whole can be used. */
  get isReady(): boolean {
    return this.#isServing(whole);
  }

  /** These services will be served. */
  start(services: readonly DescService[]): void {
    this.#names = [whole, live, ...services.map(({ typeName }) => typeName)];
    this.#tell();
  }

  /** @param problem why nothing can be stored; empty when it can */
  setProblem(problem: string): void {
    if (problem === this.#problem || this.#isDraining) return;
    this.#problem = problem;
    this.#tell();
    if (problem === "") this.#log.info("ready again");
    else this.#log.warn(`not ready: ${problem}; nothing is acked until there is space, queries go on`);
  }

  /** The server takes no more calls. Who stops it has logged why. */
  drain(): void {
    this.#isDraining = true;
    this.#tell();
    this.health.end();
  }

  #tell(): void {
    for (const name of this.#names) this.health.set(name, this.#isServing(name));
  }

  #isServing(name: string): boolean {
    if (name === live) return true;
    if (this.#isDraining) return false;
    return this.#problem === "" || (name !== whole && name !== IngestService.typeName);
  }
}
