import { constants } from "node:http2";

/** What lies below a server's call: interceptors, and at the bottom the HTTP/2 stream. */
interface Below {
  readonly call?: Below;
  readonly nextCall?: Below;
  readonly stream?: { close(code: number): void };
}

/**
 * Resets the stream of a call. An end in good order goes behind what was sent before, and that waits for as long as the
 * client does not read; grpc-js has no other way to give up, so this reaches into it. `test/rpc/cut.test.ts` fails when it
 * has moved.
 */
export function cutCall(call: object): void {
  let below: Below | undefined = (call as Below).call;
  while (below !== undefined && below.stream === undefined) below = below.nextCall ?? below.call;
  below?.stream?.close(constants.NGHTTP2_CANCEL);
}
