import { once } from "node:events";
import { connect } from "node:http2";
import { describe, expect, it, onTestFinished } from "vitest";
import { silentLog } from "../../lib/base/log.ts";
import { Direct } from "../../lib/rpc/direct-call.ts";
import { everyMethod } from "../../lib/rpc/gate.ts";
import { RpcServer } from "../../lib/rpc/server.ts";
import { IngestService } from "../../proto/gen/telemetry/v1/ingest_service_pb.js";
import { atRest } from "../support/rpc.ts";

const kib = 1024;

/** What a client can send to a server that does not read, on so many calls of one connection. */
async function sentUnread(receiveWindowBytes: number, calls: number): Promise<number> {
  const rpc = new RpcServer(silentLog, receiveWindowBytes === undefined ? {} : { receiveWindowBytes });
  const never = () => new Promise<never>(() => {});
  const unread = new Direct(() => ({ onMessage: () => false, onEnd() {}, onOver() {} }));
  rpc.add(
    IngestService,
    "bytes",
    { pushBatch: never, uploadBatches: never, streamBatches: unread },
    everyMethod(IngestService, "ingest"),
  );
  const session = connect(`http://${(await rpc.listen("127.0.0.1:0")).address}`);
  onTestFinished(async () => {
    session.destroy();
    await rpc.close(0);
  });
  let sent = 0;
  for (let i = 0; i < calls; i += 1) {
    const stream = session.request({
      ":method": "POST",
      ":path": "/telemetry.v1.IngestService/StreamBatches",
      "content-type": "application/grpc",
    });
    stream.on("error", () => {});
    await once(stream, "response");
    const piece = Buffer.alloc(16 * kib);
    const send = () => {
      stream.write(piece, (error) => {
        if (error) return;
        sent += piece.length;
        send();
      });
    };
    send();
  }
  return await atRest(
    () => sent,
    () => new Promise((resolve) => session.ping(() => resolve(undefined))),
  );
}

describe("the receive window", () => {
  it("is what a client can send on a call that is not read", async () => {
    for (const bytes of [64 * kib, 512 * kib]) {
      const sent = await sentUnread(bytes, 1);
      expect(sent).toBeGreaterThan(bytes / 2);
      // What has been read from the socket before the call was paused, and a piece that is under way.
      expect(sent).toBeLessThanOrEqual(bytes + 96 * kib);
    }
  });

  it("is that of each call, however many share a connection", async () => {
    const bytes = 256 * kib;
    expect(await sentUnread(bytes, 8)).toBeGreaterThan(4 * bytes);
  });
});
