/** What a key does, wherever the focus is but in a field. */
export interface Shortcut {
  readonly keys: string;
  readonly does: string;
  readonly run: () => void;
}

/**
 * Finds the shortcut of what was typed: single keys, and two in a row (`g d`).
 * @param before the key before it, if that was just now; empty: none
 */
export function shortcutOf(shortcuts: readonly Shortcut[], before: string, key: string): Shortcut | undefined {
  return (
    shortcuts.find(({ keys }) => before !== "" && keys === `${before} ${key}`) ??
    shortcuts.find(({ keys }) => keys === key)
  );
}
