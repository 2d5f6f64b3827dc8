import { describe, expect, it } from "vitest";
import { Child } from "../../../bench/run/child.ts";

const child = (argument: object) => {
  const messages: unknown[] = [];
  const first = Promise.withResolvers<unknown>();
  const onMessage = (message: unknown) => {
    messages.push(message);
    first.resolve(message);
  };
  return { child: new Child("./support/child", import.meta.url, argument, onMessage), first: first.promise, messages };
};

describe("a program in a process of its own", () => {
  it("is told what to do, answers, and ends by itself", async () => {
    const { child: echo, first, messages } = child({ what: "wait" });
    expect(await first).toEqual({ what: "wait" });
    echo.send({ end: true });
    await echo.end(10_000);
    expect(messages).toHaveLength(1);
  });

  it("that breaks is told with its last words", async () => {
    await expect(child({ what: "throw" }).child.failed).rejects.toThrow(/has ended with 1: .*a fault on purpose/s);
  });

  it("that does not end is ended", async () => {
    const { child: deaf, first } = child({ what: "ignore" });
    await first;
    await deaf.end(1);
  });

  it("that has ended is told nothing more, and nobody breaks", async () => {
    const { child: broken } = child({ what: "throw" });
    await broken.failed.catch(() => {});
    broken.send({ end: true });
    await broken.end(10_000);
  });
});
