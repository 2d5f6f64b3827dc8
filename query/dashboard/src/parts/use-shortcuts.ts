import { useEffect } from "preact/hooks";
import { type Services, useServices } from "../services.ts";
import { type Shortcut, shortcutOf } from "../state/shortcuts.ts";
import { fixedRange, spanOf } from "../state/time-range.ts";
import type { PageName } from "../state/url-state.ts";

/** Two keys of one shortcut come within this time. */
const pairMsMax = 1_000;

export function shortcutsOf(services: Services, onHelp: () => void): readonly Shortcut[] {
  const { link, pause, settings } = services;
  const page = (keys: string, name: PageName, does: string): Shortcut => ({
    keys,
    does,
    run: () => link.go({ page: name, deviceId: "" }),
  });
  return [
    { keys: "?", does: "show these keys", run: onHelp },
    page("g o", "overview", "go to the overview"),
    page("g d", "devices", "go to the devices"),
    page("g e", "explorer", "go to the explorer"),
    page("g t", "tail", "go to the live tail"),
    { keys: "p", does: "pause, and go on", run: () => pause.toggle() },
    { keys: "+", does: "zoom in", run: () => move(services, 0.25, -0.25) },
    { keys: "-", does: "zoom out", run: () => move(services, -0.5, 0.5) },
    { keys: "ArrowLeft", does: "earlier", run: () => move(services, -0.5, -0.5) },
    { keys: "ArrowRight", does: "later", run: () => move(services, 0.5, 0.5) },
    { keys: "0", does: "back from the zoom", run: () => link.zoomBack() },
    {
      keys: "u",
      does: "times in UTC, or local",
      run: () => link.replace({ zone: link.state.peek().zone === "utc" ? "local" : "utc" }),
    },
    {
      keys: "d",
      does: "dark, or light",
      run: () => settings.setTheme(services.isDark.peek() ? "light" : "dark"),
    },
  ];
}

/** Listens to the keyboard, but not to what is typed into a field. */
export function useShortcuts(shortcuts: readonly Shortcut[]): void {
  const { clock } = useServices();
  useEffect(() => {
    let before = "";
    let beforeMs = 0;
    const onKey = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
      const nowMs = clock.elapsedMs();
      const shortcut = shortcutOf(shortcuts, nowMs - beforeMs <= pairMsMax ? before : "", event.key);
      before = event.key;
      beforeMs = nowMs;
      if (shortcut === undefined) return;
      event.preventDefault();
      before = "";
      shortcut.run();
    };
    document.addEventListener("keydown", onKey);
    return () => document.removeEventListener("keydown", onKey);
  }, [shortcuts, clock]);
}

/** Moves both ends by parts of the range. */
function move({ link, pause }: Services, fromPart: number, toPart: number): void {
  const { fromMs, toMs } = spanOf(link.state.peek().range, pause.nowMs());
  const width = toMs - fromMs;
  const range = fixedRange(fromMs + width * fromPart, toMs + width * toPart);
  link.zoom(range);
}

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && target.closest("input, select, textarea, [role=region][tabindex]") !== null;
}
