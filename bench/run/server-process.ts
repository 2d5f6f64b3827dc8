import type {
  BenchServerCall,
  BenchServerOptions,
  BenchServerReady,
  BenchServerReply,
  ServerUsage,
} from "../server/messages.ts";
import { Child } from "./child.ts";

const startMsMax = 30_000;
const stopGraceMs = 20_000;

/** The server of a trial. */
export class ServerProcess {
  readonly ready: BenchServerReady;
  readonly #child: Child;
  readonly #replies: Map<number, (reply: BenchServerReply) => void>;
  #nextId = 1;

  /** Resolves when it takes requests. @throws Error when it has ended before, or takes too long */
  static async start(options: BenchServerOptions): Promise<ServerProcess> {
    const replies = new Map<number, (reply: BenchServerReply) => void>();
    const ready = Promise.withResolvers<BenchServerReady>();
    const child = new Child("../server/main", import.meta.url, options, (message) => {
      const told = message as BenchServerReady | BenchServerReply;
      if (told.kind === "ready") ready.resolve(told);
      else replies.get(told.id)?.(told);
    });
    const timer = setTimeout(() => ready.reject(new Error("the server does not become ready")), startMsMax);
    try {
      return new ServerProcess(await Promise.race([ready.promise, child.failed]), child, replies);
    } catch (error) {
      await child.end(0);
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  private constructor(ready: BenchServerReady, child: Child, replies: Map<number, (reply: BenchServerReply) => void>) {
    this.ready = ready;
    this.#child = child;
    this.#replies = replies;
  }

  /** Rejects when the server ends by itself. */
  get failed(): Promise<never> {
    return this.#child.failed;
  }

  async usage(): Promise<ServerUsage> {
    const { usage } = await this.#call("usage");
    if (usage === undefined) throw new Error("the server told no usage");
    return usage;
  }

  async resetPeak(): Promise<void> {
    await this.#call("resetPeak");
  }

  /** Settles what it has, and ends. */
  async stop(): Promise<void> {
    this.#child.send({ id: 0, name: "stop" } satisfies BenchServerCall);
    await this.#child.end(stopGraceMs);
  }

  async #call(name: BenchServerCall["name"]): Promise<BenchServerReply> {
    const id = this.#nextId++;
    const { promise, resolve } = Promise.withResolvers<BenchServerReply>();
    this.#replies.set(id, resolve);
    this.#child.send({ id, name } satisfies BenchServerCall);
    try {
      return await Promise.race([promise, this.#child.failed]);
    } finally {
      this.#replies.delete(id);
    }
  }
}
