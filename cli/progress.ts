import { SingleBar } from "cli-progress";

const redrawMs = 200;

/** A progress bar on standard error, when that is a terminal; nothing otherwise. */
export class Progress {
  readonly #bar: SingleBar | undefined;
  readonly #timer: NodeJS.Timeout | undefined;
  readonly #state: () => readonly [done: number, text: string];

  /** @param total 0: not known */
  constructor(total: number, state: () => readonly [done: number, text: string]) {
    this.#state = state;
    if (!process.stderr.isTTY) return;
    const format = total > 0 ? "{bar} {percentage}%  {value}/{total} {text}" : "{value} {text}";
    this.#bar = new SingleBar({ format, stream: process.stderr, hideCursor: true, barsize: 30 });
    this.#bar.start(total, 0, { text: "" });
    this.#timer = setInterval(() => this.#update(), redrawMs);
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#update();
    this.#bar?.stop();
  }

  #update(): void {
    const [done, text] = this.#state();
    this.#bar?.update(done, { text });
  }
}
