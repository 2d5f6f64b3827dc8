import {
  create,
  type DescMethod,
  type DescService,
  fromBinary,
  type Message,
  type MessageInitShape,
  toBinary,
} from "@bufbuild/protobuf";
import { messageDepthMax } from "../base/limits.ts";
import { type Encoding, methodPath, methodsOf } from "./binding.ts";
import type { MethodScope, MethodScopes } from "./gate.ts";
import type { CallContext, Handlers } from "./handlers.ts";

/** A method that a server was told of, and how to call it with decoded messages, whatever its handler takes. */
export interface TableMethod {
  readonly desc: DescMethod;
  /** `/telemetry.v1.QueryService/GetDevice`. */
  readonly path: string;
  readonly scope: MethodScope;
  readonly call: MethodCall;
}

/** `stream`: its client sends more than one message, which gRPC has and HTTP/1.1 has not. */
export type MethodCall =
  | { readonly kind: "unary"; answer(request: Message, context: CallContext): Promise<Message> }
  | { readonly kind: "server_streaming"; answers(request: Message, context: CallContext): AsyncIterable<Message> }
  | { readonly kind: "stream" };

/** The handlers of a service as rows: one for each of its methods. */
export function methodRows<S extends DescService, E extends Encoding>(
  service: S,
  encoding: E,
  handlers: Handlers<S, E>,
  scopes: MethodScopes<S>,
): TableMethod[] {
  return methodsOf(service).map(([name, desc]) => ({
    desc,
    path: methodPath(desc),
    scope: scopes[name as keyof typeof scopes],
    call: callOf(desc, encoding, handlers[name as keyof typeof handlers]),
  }));
}

type UnaryHandler = (request: unknown, context: CallContext) => Promise<unknown>;
type StreamingHandler = (request: unknown, context: CallContext) => AsyncIterable<unknown>;

function callOf(desc: DescMethod, encoding: Encoding, handler: unknown): MethodCall {
  const received = (request: Message) => (encoding === "bytes" ? toBinary(desc.input, request) : request);
  if (desc.methodKind === "unary") {
    const answer = handler as UnaryHandler;
    return {
      kind: "unary",
      answer: async (request, context) => answered(desc, await answer(received(request), context)),
    };
  }
  if (desc.methodKind === "server_streaming") {
    const answers = handler as StreamingHandler;
    return {
      kind: "server_streaming",
      async *answers(request, context) {
        for await (const each of answers(received(request), context)) yield answered(desc, each);
      },
    };
  }
  return { kind: "stream" };
}

/** Also a handler of messages may answer bytes: those that it has encoded once for many. */
function answered({ output }: DescMethod, answer: unknown): Message {
  if (answer instanceof Uint8Array) {
    return fromBinary(output, answer, { readUnknownFields: false, recursionLimit: messageDepthMax });
  }
  return create(output, answer as MessageInitShape<typeof output>);
}
