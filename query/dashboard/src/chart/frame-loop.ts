/** What is drawn once a second, when it has changed and is on the screen. */
export interface Drawable {
  /** Whether drawing would show anything new. */
  isDue(): boolean;
  draw(): void;
}

const drawMs = 1_000;
/**
 * Of one frame. Each frame that draws also costs the browser its layers: 50 charts in frames of 24 ms took 0.13 of a core,
 * in frames of 8 ms 0.17. A frame or two of the screen is left out for it, once a second.
 */
const frameBudgetMs = 24;

/** Draws all charts of the page, each at most once a second, a few per frame of the screen. */
export class FrameLoop {
  readonly #drawables = new Set<Drawable>();
  readonly #queue = new Set<Drawable>();
  #frame: number | undefined;

  constructor() {
    setInterval(() => {
      for (const drawable of this.#drawables) this.#queue.add(drawable);
      this.#ask();
    }, drawMs);
  }

  add(drawable: Drawable): void {
    this.#drawables.add(drawable);
    this.soon(drawable);
  }

  remove(drawable: Drawable): void {
    this.#drawables.delete(drawable);
    this.#queue.delete(drawable);
  }

  /** In the next frame, since somebody is waiting for it. */
  soon(drawable: Drawable): void {
    this.#queue.add(drawable);
    this.#ask();
  }

  #ask(): void {
    // A tab out of sight has no frames: nothing is drawn there.
    this.#frame ??= requestAnimationFrame(() => {
      this.#frame = undefined;
      const endsAtMs = performance.now() + frameBudgetMs;
      for (const drawable of this.#queue) {
        this.#queue.delete(drawable);
        if (drawable.isDue()) drawable.draw();
        if (performance.now() >= endsAtMs) break;
      }
      if (this.#queue.size > 0) this.#ask();
    });
  }
}
