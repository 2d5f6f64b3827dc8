import { createHmac, randomBytes } from "node:crypto";
import { TelemetryError } from "../base/errors.ts";
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
  readonly #waiting: (() => void)[] = [];
  #running = 0;
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
    if (!(await this.#inTurn(() => isPassword(password, expected))) || kept === undefined) return false;
    if (this.#right.size >= rememberedMax) this.#right.clear();
    this.#right.add(remembered);
    return true;
  }

  async #inTurn(check: () => Promise<boolean>): Promise<boolean> {
    if (this.#running < atOnceMax) this.#running += 1;
    else {
      if (this.#waiting.length >= waitingMax) {
        throw new TelemetryError(
          "RESOURCE_EXHAUSTED",
          "PASSWORDS_BUSY",
          `${waitingMax} passwords wait to be checked; try again in a second, or use a token`,
        );
      }
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    try {
      return await check();
    } finally {
      // Whoever waits has the place from whoever leaves it.
      const next = this.#waiting.shift();
      if (next === undefined) this.#running -= 1;
      else next();
    }
  }
}
