import { type DescMessage, type DescMethod, type Message, ScalarType } from "@bufbuild/protobuf";
import { reflect } from "@bufbuild/protobuf/reflect";
import type { Exchange } from "../exchange.ts";

/** Field of requests and answers by which a stream goes on where it was, wherever both have it. */
const tokenName = "resume_token";

function tokenField({ fields }: DescMessage) {
  return fields.find(
    (field) => field.name === tokenName && field.fieldKind === "scalar" && field.scalar === ScalarType.BYTES,
  );
}

/** What an event source sends when it has lost its stream: where to go on. */
export function lastEventId(
  { input }: DescMethod,
  exchange: Exchange,
): { readonly jsonName: string; readonly value: string } | undefined {
  const field = tokenField(input);
  const value = exchange.header("last-event-id");
  return field === undefined || value === undefined || value === "" ? undefined : { jsonName: field.jsonName, value };
}

/** The name of a message, in base64, by which its stream goes on after it; undefined where it has none. */
export function eventIdOf({ output }: DescMethod): (message: Message) => string | undefined {
  const field = tokenField(output);
  if (field === undefined) return () => undefined;
  return (message) => {
    const token = reflect(output, message).get(field) as Uint8Array;
    return token.length === 0 ? undefined : Buffer.from(token).toString("base64");
  };
}
