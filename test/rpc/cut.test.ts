import { expect, it } from "vitest";
import { QueryService } from "../../proto/gen/telemetry/v1/query_service_pb.js";
import { failureOf, serve } from "../support/rpc.ts";

it("a call that is cut ends at once, though its client has read nothing of what was sent", async () => {
  const sent = { messages: 0 };
  const ended = Promise.withResolvers<boolean>();
  let cut = () => {};
  const { client } = await serve(QueryService, "messages", {
    async *subscribe(_, context) {
      ({ cut } = context);
      try {
        for (;;) {
          yield { resumeToken: new Uint8Array(100_000) };
          sent.messages += 1;
        }
      } finally {
        ended.resolve(context.signal.aborted);
      }
    },
  });
  const responses = client.subscribe({})[Symbol.asyncIterator]();
  await responses.next();
  // Until the client's window is closed: nothing more leaves.
  for (let before = -1; before !== sent.messages; ) {
    before = sent.messages;
    for (let i = 0; i < 100; i += 1) await new Promise((resolve) => setImmediate(resolve));
  }
  cut();
  expect(await ended.promise).toBe(true);
  const rest = { [Symbol.asyncIterator]: () => responses };
  expect(await failureOf(rest)).toMatchObject({ status: "CANCELLED" });
});
