import { describe, expect, it } from "vitest";
import { type Device, devicesOf } from "../../../../bench/load/device.ts";
import type { Outgoing } from "../../../../bench/load/message-source.ts";
import { Lane } from "../../../../bench/load/transport/lane.ts";
import type { StreamListener, StreamWay } from "../../../../bench/load/transport/stream-way.ts";
import type { Channel } from "../../../../lib/rpc/client.ts";

/** A stream that takes a message when the test lets it, and whose answers are the test's. */
class HeldStream {
  listener: StreamListener | undefined;
  readonly written: Uint8Array[] = [];
  writing = 0;
  writingMax = 0;
  room: Promise<void> = Promise.resolve();
  readonly way: StreamWay = {
    open: (_channel, listener) => {
      this.listener = listener;
      return { write: (message) => this.#write(message), end: () => {}, answers: new Promise(() => {}) };
    },
    registration: ({ id }) => Buffer.from(id),
    message: ([{ bytes }]) => bytes,
  };

  async #write(message: Uint8Array): Promise<void> {
    this.writing += 1;
    this.writingMax = Math.max(this.writingMax, this.writing);
    this.written.push(message);
    await this.room;
    this.writing -= 1;
  }
}

const devices = devicesOf({ prefix: "bench-", count: 600, metrics: 1, seed: 1 });
const turn = () => new Promise((resolve) => setImmediate(resolve));

function batch(device: Device, sequence: number): Outgoing {
  return { device, sequence, bytes: Buffer.from(`${device.handle} ${sequence}`) };
}

describe("a lane", () => {
  it("has at most 256 registrations unanswered", async () => {
    const stream = new HeldStream();
    const registering = new Lane({} as Channel, stream.way).register(devices);
    for (const [written, answers] of [
      [256, 256],
      [512, 256],
      [600, 88],
    ]) {
      await turn();
      expect(stream.written).toHaveLength(written);
      for (let i = 0; i < answers; i += 1) stream.listener?.onRegistered();
    }
    await registering;
  });

  it("writes one message after the other, however many slots have one", async () => {
    const stream = new HeldStream();
    const held = Promise.withResolvers<void>();
    stream.room = held.promise;
    const lane = new Lane({} as Channel, stream.way);
    const carried = devices.slice(0, 50).map((device) => lane.carry([batch(device, 1)]));
    await turn();
    expect(stream.written).toHaveLength(1);
    held.resolve();
    await turn();
    expect(stream.written).toHaveLength(50);
    expect(stream.writingMax).toBe(1);
    for (const device of devices.slice(0, 50)) stream.listener?.onAck(device.handle, 1);
    await Promise.all(carried);
  });

  it("settles by the sequence, not by any ack of the device", async () => {
    const stream = new HeldStream();
    const lane = new Lane({} as Channel, stream.way);
    let settled = false;
    const carried = lane.carry([batch(devices[0], 5), batch(devices[1], 7)]).then(() => (settled = true));
    stream.listener?.onAck(1, 4);
    stream.listener?.onAck(2, 9);
    stream.listener?.onAck(3, 9);
    await turn();
    expect(settled).toBe(false);
    stream.listener?.onAck(1, 5);
    await carried;
  });
});
