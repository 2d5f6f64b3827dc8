import { type Signal, signal } from "@preact/signals";

export const themeNames = ["system", "light", "dark"] as const;
export type ThemeName = (typeof themeNames)[number];

const themeKey = "tidemark-theme";

/** What is of this browser and not of the link. */
export class Settings {
  readonly theme: Signal<ThemeName>;
  readonly #storage: Storage | undefined;

  /** @param storage undefined where the browser has none for us */
  constructor(storage: Storage | undefined) {
    this.#storage = storage;
    const kept = read(storage);
    this.theme = signal(themeNames.find((name) => name === kept) ?? "system");
  }

  setTheme(theme: ThemeName): void {
    this.theme.value = theme;
    try {
      this.#storage?.setItem(themeKey, theme);
    } catch {
      // Full, or forbidden: it holds until the tab is closed.
    }
  }
}

function read(storage: Storage | undefined): string | null {
  try {
    return storage?.getItem(themeKey) ?? null;
  } catch {
    return null;
  }
}
