import { createHmac, randomBytes } from "node:crypto";
import { TelemetryError } from "../base/errors.ts";
import { Slots } from "../base/slots.ts";
import { neverAborted } from "../base/wait.ts";
import { hashPassword, isPassword } from "./secrets.ts";

/** Each takes 32 MiB and some 50 ms of a core. */
const atOnceMax = 2;
const waitingMax = 50;
/** Passwords that were right, which need not be hashed for the next call. */
const rememberedMax = 1_000;

/** Checks passwords, a few at once: who tries many does not stop the server. */
export class PasswordChecks {
  readonly #key = randomBytes(32);
  readonly #right = new Set<string>();
  readonly #slots = new Slots(atOnceMax, waitingMax, tooMany);
  #ofNobody: Promise<string> | undefined;

  /** Rules have changed. */
  forget(): void {
    this.#right.clear();
  }

  /**
   * @param kept hash of the right one; undefined: there is none, which takes as long
   * @throws TelemetryError RESOURCE_EXHAUSTED
   */
  async isRight(password: string, kept: string | undefined): Promise<boolean> {
    // Keyed, so that it is of no use to whoever reads the memory.
    const remembered = createHmac("sha256", this.#key).update(`${kept}\n${password}`).digest("base64");
    if (this.#right.has(remembered)) return true;
    this.#ofNobody ??= hashPassword(randomBytes(16).toString("hex"));
    const expected = kept ?? (await this.#ofNobody);
    const giveBack = await this.#slots.take(neverAborted);
    const isRight = await isPassword(password, expected).finally(giveBack);
    if (!isRight || kept === undefined) return false;
    if (this.#right.size >= rememberedMax) this.#right.clear();
    this.#right.add(remembered);
    return true;
  }
}

function tooMany(): TelemetryError {
  return new TelemetryError(
    "RESOURCE_EXHAUSTED",
    "PASSWORDS_BUSY",
    `${waitingMax} passwords wait to be checked; try again in a second, or use a token`,
    { quota: "server:passwords", retryAfterMs: 1_000 },
  );
}
