import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { errorMessage, TelemetryError } from "../../lib/base/errors.ts";
import type { LogEvent } from "./log-event.ts";

/**
 * The events of a delivery log, in order. A last line that is cut off is left out: nobody has acted on it.
 * @throws TelemetryError when the file cannot be read, or another line is not an event
 */
export async function* readLog(path: string): AsyncGenerator<LogEvent, void> {
  const source = createReadStream(path);
  let line = 0;
  let torn: TelemetryError | undefined;
  try {
    for await (const text of createInterface({ input: source, crlfDelay: Number.POSITIVE_INFINITY })) {
      if (torn !== undefined) throw torn;
      line += 1;
      const event = parseEvent(text);
      if (event === undefined) torn = unusable(`${path}:${line}`, "is not an event of a delivery log");
      else yield event;
    }
  } catch (error) {
    if (error instanceof TelemetryError) throw error;
    throw unusable(path, `cannot be read: ${errorMessage(error)}`, error);
  } finally {
    source.destroy();
  }
}

const events = ["device", "sealed", "acked", "refused", "gap"];

function parseEvent(text: string): LogEvent | undefined {
  try {
    const event = JSON.parse(text) as LogEvent;
    return events.includes(event?.event) ? event : undefined;
  } catch {
    return undefined;
  }
}

function unusable(where: string, problem: string, cause?: unknown): TelemetryError {
  const message = `${where} ${problem}; name a file that simulate --log has written`;
  return new TelemetryError("INVALID_ARGUMENT", "UNUSABLE_FILE", message, { field: "--log", cause });
}
