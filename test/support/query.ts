import type { MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { FrameReader, type Window } from "../../lib/wire/window-frame.ts";
import type {
  QueryRangeRequestSchema,
  SubscribeRequestSchema,
  SubscribeResponse,
  WindowFrame,
} from "../../proto/gen/telemetry/v1/query_service_pb.js";
import { type BatchOptions, batch, dayMs, type RegistrationOptions, registration } from "./batches.ts";
import type { TestServer } from "./server.ts";

/** A push of one batch: acked when this resolves. */
export async function push(
  server: TestServer,
  deviceId: string,
  sequence: number,
  values: readonly number[],
  options: RegistrationOptions & BatchOptions = {},
): Promise<void> {
  await server.ingest.pushBatch({
    registration: registration(deviceId, options),
    payload: { case: "batch", value: batch(sequence, values, options) },
  });
}

/** A day of 10 s windows, unless told otherwise. */
export function range(
  deviceIds: string[],
  { fromMs = dayMs, toMs = dayMs + 86_400_000, tierMs = 10_000, metricNames = [] as string[] } = {},
): MessageInitShape<typeof QueryRangeRequestSchema> {
  return {
    selector: { deviceIds, metricNames },
    from: timestampFromMs(fromMs),
    to: timestampFromMs(toMs),
    tier: durationFromMs(tierMs),
  };
}

/** The frames of a range, and the windows in them. */
export async function read(server: TestServer, request: MessageInitShape<typeof QueryRangeRequestSchema>) {
  const frames: WindowFrame[] = [];
  for await (const { frame } of server.query.queryRange(request)) if (frame !== undefined) frames.push(frame);
  const reader = new FrameReader();
  const windows: Window[] = frames.flatMap((frame) => [...reader.read(frame)]);
  return { frames, windows };
}

/** A subscription that is being read, and what it has shown so far. */
export class Watcher {
  /** The latest value of each window, by `device metric start`. */
  readonly windows = new Map<string, Window>();
  heartbeats = 0;
  /** Windows told so far, also those told again. */
  told = 0;
  readonly #frames = new FrameReader();
  readonly #responses: AsyncIterator<SubscribeResponse>;

  /** A subscription whose snapshot has come: it sees every change from now on. */
  static async start(
    server: TestServer,
    request: MessageInitShape<typeof SubscribeRequestSchema> = {},
  ): Promise<Watcher> {
    const watcher = new Watcher(server, request);
    while (watcher.heartbeats === 0) await watcher.next();
    return watcher;
  }

  constructor(server: TestServer, request: MessageInitShape<typeof SubscribeRequestSchema> = {}) {
    const withInterval = { intervalMin: durationFromMs(100), ...request };
    this.#responses = server.query.subscribe(withInterval)[Symbol.asyncIterator]();
  }

  /** Reads one message. @throws TelemetryError when the subscription ends with an error */
  async next(): Promise<SubscribeResponse["event"] | undefined> {
    const { value, done } = await this.#responses.next();
    if (done === true) return undefined;
    const { event } = value;
    if (event.case === "heartbeat") this.heartbeats += 1;
    else if (event.case === "snapshot" || event.case === "changes") {
      for (const window of this.#frames.read(event.value)) {
        this.windows.set(`${window.deviceId} ${window.metric} ${window.startMs}`, window);
        this.told += 1;
      }
    }
    return event;
  }

  /** Reads until a window has this many samples. */
  async sees(deviceId: string, count: number, { metric = "temperature", startMs = dayMs } = {}): Promise<Window> {
    for (;;) {
      const window = this.windows.get(`${deviceId} ${metric} ${startMs}`);
      if (window?.count === count) return window;
      if ((await this.next()) === undefined) throw new Error("the subscription has ended");
    }
  }

  async stop(): Promise<void> {
    await this.#responses.return?.();
  }
}
