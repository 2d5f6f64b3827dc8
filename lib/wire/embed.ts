import { BinaryWriter } from "@bufbuild/protobuf/wire";

const lengthDelimited = 2;

/**
 * A field that holds a message which is encoded already: its bytes behind their length. Fields of a message may be put
 * behind each other in any order. @returns a copy
 */
export function embed(field: number, message: Uint8Array): Uint8Array {
  return new BinaryWriter()
    .uint32((field << 3) | lengthDelimited)
    .bytes(message)
    .finish();
}
