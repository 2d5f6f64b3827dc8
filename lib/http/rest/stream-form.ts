import { type DescMethod, type Message, type Registry, toJsonString } from "@bufbuild/protobuf";
import { TelemetryError } from "../../base/errors.ts";
import { eventIdOf } from "./resume.ts";

/** Lines of CSV, heading first, of the messages of one answer. */
export type CsvOf = (request: Message) => (message: Message) => Iterable<string>;

/** How the messages of a stream are written. */
export interface StreamForm {
  readonly contentType: string;
  readonly begin: string;
  message(message: Message): string;
  /** When nothing was to be told for a while. */
  readonly heartbeat: string;
  /** After the last message. */
  readonly end: string;
  /** Instead of the end; undefined: the form cannot tell, and the connection is cut. @param status google.rpc.Status */
  failure(status: string): string | undefined;
}

export interface FormOptions {
  readonly method: DescMethod;
  readonly request: Message;
  readonly registry: Registry;
  readonly csv: CsvOf | undefined;
}

type MakeForm = (options: FormOptions) => StreamForm | undefined;

/** The first one is for who takes anything. */
const forms: ReadonlyMap<string, MakeForm> = new Map<string, MakeForm>([
  ["application/x-ndjson", ndjson],
  ["text/event-stream", eventStream],
  ["text/csv", csvForm],
]);

/** @throws TelemetryError NOT_ACCEPTABLE */
export function streamForm(accept: string | undefined, options: FormOptions): StreamForm {
  for (const range of (accept ?? "*/*").split(",")) {
    const [type = ""] = range.trim().toLowerCase().split(";", 1);
    const make = type === "*/*" || type === "application/*" ? ndjson : forms.get(type.trim());
    const form = make?.(options);
    if (form !== undefined) return form;
  }
  const types = [...forms].filter(([, make]) => make(options) !== undefined).map(([type]) => type);
  throw new TelemetryError(
    "INVALID_ARGUMENT",
    "NOT_ACCEPTABLE",
    `accept is ${JSON.stringify(accept)}; this stream comes as ${types.join(" or ")}`,
  );
}

/** JSON of messages, with what is zero or empty: it reads more easily than what is left out. */
export function messageJson({ output }: DescMethod, message: Message, registry: Registry): string {
  return toJsonString(output, message, { registry, alwaysEmitImplicit: true });
}

function ndjson({ method, registry }: FormOptions): StreamForm {
  return {
    contentType: "application/x-ndjson",
    begin: "",
    message: (message) => `${messageJson(method, message, registry)}\n`,
    heartbeat: "",
    end: "",
    failure: (status) => `{"error":${status}}\n`,
  };
}

/**
 * https://html.spec.whatwg.org/multipage/server-sent-events.html. An event source begins again when its stream ends:
 * `end` and `failed` tell it when it should close.
 */
function eventStream({ method, registry }: FormOptions): StreamForm {
  const idOf = eventIdOf(method);
  return {
    contentType: "text/event-stream",
    begin: "retry: 1000\n\n",
    message(message) {
      const id = idOf(message);
      return `${id === undefined ? "" : `id: ${id}\n`}data: ${messageJson(method, message, registry)}\n\n`;
    },
    heartbeat: ":\n\n",
    end: "event: end\ndata: {}\n\n",
    failure: (status) => `event: failed\ndata: ${status}\n\n`,
  };
}

function csvForm({ request, csv }: FormOptions): StreamForm | undefined {
  if (csv === undefined) return undefined;
  const lines = csv(request);
  return {
    contentType: "text/csv; charset=utf-8; header=present",
    begin: "",
    message: (message) => [...lines(message)].map((line) => `${line}\r\n`).join(""),
    heartbeat: "",
    end: "",
    failure: () => undefined,
  };
}
