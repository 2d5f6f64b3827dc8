import { describe, expect, it } from "vitest";
import { RejectReason } from "../../proto/gen/telemetry/v1/ingest_service_pb.js";
import { batch, gap } from "../support/batches.ts";
import type { HarnessCall } from "../support/harness-call.ts";
import { IngestHarness } from "../support/ingest.ts";

/** A stream of a device whose high-water mark is 3, after batches of one sample each: 1, 2 and 3. */
function atMarkThree() {
  const ingest = new IngestHarness();
  const call = ingest.connect("press");
  call.batches(batch(1, [1]), batch(2, [2]), batch(3, [3]));
  ingest.flush();
  call.take();
  return { ingest, call };
}

describe("the sequence rule", () => {
  it("takes the batch after the high-water mark, and acks it", () => {
    const { ingest, call } = atMarkThree();
    call.batches(batch(4, [100]));
    ingest.flush();
    expect(call.take()).toMatchObject({ kinds: ["ack"], acks: [{ deviceHandle: 1, ackedSequence: 4n }] });
    expect(ingest.total("press")).toEqual({ count: 4, sum: 106 });
    expect(ingest.device("press")).toMatchObject({ ackedSequence: 4, samplesCounted: 4 });
  });

  function duplicate(name: string, sequence: number) {
    it(`acks ${name} again, without effect`, () => {
      const { ingest, call } = atMarkThree();
      call.batches(batch(sequence, [100]));
      ingest.flush();
      expect(call.take()).toMatchObject({ kinds: ["ack"], acks: [{ ackedSequence: 3n, refusals: [] }] });
      expect(ingest.total("press")).toEqual({ count: 3, sum: 6 });
      expect(ingest.device("press")).toMatchObject({ ackedSequence: 3, samplesCounted: 3 });
    });
  }
  duplicate("the batch at the high-water mark", 3);
  duplicate("a batch below the high-water mark", 1);

  function hole(name: string, sequence: number) {
    it(`rejects ${name} with the expected sequence`, () => {
      const { ingest, call } = atMarkThree();
      call.batches(batch(sequence, [100]));
      ingest.flush();
      const told = call.take();
      expect(told).toMatchObject({
        kinds: ["reject"],
        rejects: [{ deviceHandle: 1, reason: RejectReason.SEQUENCE_GAP, expectedSequence: 4n }],
        end: undefined,
      });
      expect(told.rejects[0]?.detail).toContain(`is ${sequence}, expected 4`);
      expect(ingest.total("press")).toEqual({ count: 3, sum: 6 });

      call.batches(batch(4, [100]));
      ingest.flush();
      expect(call.take()).toMatchObject({ acks: [{ ackedSequence: 4n }] });
      expect(ingest.total("press")).toEqual({ count: 4, sum: 106 });
    });
  }
  hole("the batch after the next one", 5);
  hole("the largest sequence that there is", Number.MAX_SAFE_INTEGER);
  hole("sequence 0", 0);

  it("takes what fits and rejects what does not in one message", () => {
    const { ingest, call } = atMarkThree();
    call.batches(batch(2, [100]), batch(4, [100]), batch(6, [100]), batch(4, [100]), batch(5, [100]));
    ingest.flush();
    expect(call.take()).toMatchObject({
      rejects: [{ reason: RejectReason.SEQUENCE_GAP, expectedSequence: 5n }],
      acks: [{ ackedSequence: 5n }],
    });
    expect(ingest.total("press")).toEqual({ count: 5, sum: 206 });
  });

  it("answers a push of the next batch, an old one and a hole", () => {
    const { ingest } = atMarkThree();
    const f = (sequence: number) => {
      const call = ingest.open("push");
      call.push("press", { batch: batch(sequence, [100]) });
      ingest.flush();
      return call.take();
    };
    expect(f(4)).toMatchObject({ pushed: [{ registered: { ackedSequence: 4n, samplesCounted: 4n } }], end: "ok" });
    expect(f(4)).toMatchObject({ pushed: [{ registered: { ackedSequence: 4n, samplesCounted: 4n } }], end: "ok" });
    expect(f(7)).toMatchObject({
      pushed: [],
      end: { status: "FAILED_PRECONDITION", reason: "SEQUENCE_GAP", metadata: { expected_sequence: "5" } },
    });
    expect(ingest.total("press")).toEqual({ count: 4, sum: 106 });
  });

  it("acks an upload once, at its end, and ends it at a hole", () => {
    const { ingest } = atMarkThree();
    const upload = ingest.open("upload");
    upload.register("press");
    upload.batches(batch(3, [100]), batch(4, [100]));
    ingest.flush();
    expect(upload.take()).toMatchObject({ uploaded: [], end: undefined });
    upload.batches(batch(5, [100]));
    upload.halfClose();
    ingest.flush();
    expect(upload.take()).toMatchObject({ uploaded: [{ devices: [{ ackedSequence: 5n }] }], end: "ok" });

    const holed = ingest.open("upload");
    holed.register("press");
    holed.batches(batch(6, [100]), batch(8, [100]), batch(7, [100]));
    ingest.flush();
    expect(holed.take()).toMatchObject({
      end: { reason: "SEQUENCE_GAP", metadata: { expected_sequence: "7", device_handle: "1" } },
    });
    expect(ingest.device("press")?.ackedSequence).toBe(6);
  });

  it("tells an upload of many devices which of them has ended it", () => {
    const refused = (reason: string, spoil: (upload: HarnessCall) => void) => {
      const { ingest } = atMarkThree();
      const upload = ingest.open("upload");
      upload.register("lathe", { handle: 7, spool: 2 });
      upload.register("press", { handle: 9 });
      spoil(upload);
      ingest.flush();
      expect(upload.take().end).toMatchObject({ reason, metadata: { device_handle: "9" } });
    };
    refused("SEQUENCE_GAP", (upload) => upload.batches(batch(1, [1], { handle: 7 }), batch(5, [1], { handle: 9 })));
    refused("SEQUENCE_GAP", (upload) => upload.gap(gap(5, 6, 0, 9)));
    refused("INVALID_FIELD", (upload) => upload.register("drill", { handle: 9 }));
    refused("SUPERSEDED", (upload) => {
      upload.register("press", { handle: 10, spool: 3 });
      upload.batches(batch(4, [1], { handle: 9 }));
    });
  });

  it("rejects the batch of a device that is not registered on the call, and goes on", () => {
    const { ingest, call } = atMarkThree();
    call.batches(batch(1, [100], { handle: 2 }), batch(4, [100]));
    ingest.flush();
    expect(call.take()).toMatchObject({
      rejects: [{ deviceHandle: 2, reason: RejectReason.UNKNOWN_DEVICE }],
      acks: [{ deviceHandle: 1, ackedSequence: 4n }],
      end: undefined,
    });
  });

  it("resumes a session at its mark, on another call and after a restart of the writer", () => {
    const { ingest } = atMarkThree();
    expect(ingest.connect("press").take().registered).toMatchObject([{ ackedSequence: 3n, samplesCounted: 3n }]);

    const restarted = new IngestHarness(ingest.store);
    const call = restarted.connect("press");
    expect(call.take().registered).toMatchObject([{ ackedSequence: 3n, samplesCounted: 3n }]);
    call.batches(batch(3, [100]), batch(4, [100]));
    restarted.flush();
    expect(call.take().acks).toMatchObject([{ ackedSequence: 4n }]);
    expect(restarted.total("press")).toEqual({ count: 4, sum: 106 });
  });

  it("keeps two devices of one call apart", () => {
    const ingest = new IngestHarness();
    const call = ingest.open();
    call.register("press", { handle: 1 });
    call.register("lathe", { handle: 2, spool: 2 });
    call.batches(
      batch(1, [1]),
      batch(1, [10], { handle: 2 }),
      batch(2, [20], { handle: 2 }),
      batch(1, [30], { handle: 2 }),
    );
    ingest.flush();
    expect(call.take()).toMatchObject({
      kinds: ["registered", "registered", "ack"],
      acks: [
        { deviceHandle: 1, ackedSequence: 1n },
        { deviceHandle: 2, ackedSequence: 2n },
      ],
    });
    expect(ingest.total("press")).toEqual({ count: 1, sum: 1 });
    expect(ingest.total("lathe")).toEqual({ count: 2, sum: 30 });
  });

  it("refuses a handle that stands for another device on the call", () => {
    const { ingest, call } = atMarkThree();
    call.register("lathe", { handle: 1 });
    call.batches(batch(4, [100]));
    ingest.flush();
    expect(call.take()).toMatchObject({
      rejects: [{ deviceHandle: 1, reason: RejectReason.INVALID_REGISTRATION }],
      acks: [{ ackedSequence: 4n }],
    });
    expect(ingest.device("lathe")).toBeUndefined();
    expect(ingest.total("press").count).toBe(4);
  });
});

describe("a gap", () => {
  it("advances the mark over the lost batches and counts their samples as lost", () => {
    const { ingest, call } = atMarkThree();
    call.gap(gap(4, 9, 600));
    call.batches(batch(10, [100]));
    ingest.flush();
    expect(call.take()).toMatchObject({ rejects: [], acks: [{ ackedSequence: 10n }] });
    expect(ingest.device("press")).toMatchObject({
      ackedSequence: 10,
      samplesLost: 600,
      batchesLost: 6,
      samplesCounted: 4,
    });
  });

  it("is acked again without effect when it was told before", () => {
    const { ingest, call } = atMarkThree();
    for (let i = 0; i < 2; i += 1) {
      call.gap(gap(4, 9, 600));
      ingest.flush();
      expect(call.take().acks).toMatchObject([{ ackedSequence: 9n }]);
    }
    expect(ingest.device("press")).toMatchObject({ ackedSequence: 9, samplesLost: 600, batchesLost: 6 });
  });

  function rejected(name: string, first: number, last: number) {
    it(`is rejected when it ${name}`, () => {
      const { ingest, call } = atMarkThree();
      call.gap(gap(first, last, 600));
      ingest.flush();
      expect(call.take()).toMatchObject({
        acks: [],
        rejects: [{ reason: RejectReason.SEQUENCE_GAP, expectedSequence: 4n }],
        end: undefined,
      });
      expect(ingest.device("press")).toMatchObject({ ackedSequence: 3, samplesLost: 0, batchesLost: 0 });
    });
  }
  rejected("leaves a hole before it", 5, 9);
  rejected("names batches that were acked", 3, 9);
  rejected("begins with sequence 0", 0, 9);

  it("ends the stream in band when its end is before its start", () => {
    const { ingest, call } = atMarkThree();
    call.gap(gap(5, 4));
    ingest.flush();
    expect(call.take()).toMatchObject({
      rejects: [{ deviceHandle: 0, reason: RejectReason.MALFORMED_MESSAGE }],
      end: "ok",
    });
  });

  it("can be pushed", () => {
    const { ingest } = atMarkThree();
    const call = ingest.open("push");
    call.push("press", { gap: gap(4, 5, 20) });
    ingest.flush();
    expect(call.take()).toMatchObject({ pushed: [{ registered: { ackedSequence: 5n } }], end: "ok" });
    expect(ingest.device("press")?.samplesLost).toBe(20);
  });
});
