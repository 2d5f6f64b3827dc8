import type { GeneratorMessage } from "../load/messages.ts";
import type { ServerProcess } from "./server-process.ts";

type Progress = Extract<GeneratorMessage, { kind: "progress" }>;

/** Writes down what generator and server do over time, each time that the generator tells where it is. */
export class TimelineRecorder {
  readonly columns = ["seconds", "acked samples/s", "messages waiting", "bytes in flight", "server RSS in bytes"];
  readonly rows: number[][] = [];
  readonly #server: ServerProcess;
  #before: Progress | undefined;

  constructor(server: ServerProcess) {
    this.#server = server;
  }

  onProgress(progress: Progress): void {
    const { seconds, samplesSettled, messagesWaiting } = progress;
    const before = this.#before;
    this.#before = progress;
    if (before === undefined || seconds <= before.seconds) return;
    const perSecond = (samplesSettled - before.samplesSettled) / (seconds - before.seconds);
    this.#server.usage().then(
      ({ bytesInFlight, rssBytes }) => this.rows.push([seconds, perSecond, messagesWaiting, bytesInFlight, rssBytes]),
      // The server has ended; the trial tells.
      () => {},
    );
  }
}
