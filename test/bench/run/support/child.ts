/** A program of `child.test.ts`: says what it was told, and then does it. */
const asked = JSON.parse(process.argv[2] ?? "{}") as { what: "wait" | "throw" | "ignore" };
process.on("message", () => asked.what === "wait" && process.disconnect());
process.send?.(asked);
if (asked.what === "throw") throw new Error("a fault on purpose");
