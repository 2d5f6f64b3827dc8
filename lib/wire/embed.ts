/**
 * Messages put together of parts that are encoded already: protobuf's fields may come in any order, and a message in a
 * field is its bytes behind their length.
 */

/** A field that holds a message. @param message its bytes, copied */
export function embed(field: number, message: Uint8Array): Uint8Array {
  const head = [...varint((field << 3) | 2), ...varint(message.length)];
  const bytes = new Uint8Array(head.length + message.length);
  bytes.set(head);
  bytes.set(message, head.length);
  return bytes;
}

function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 0x7f; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80);
  return [...bytes, rest];
}
