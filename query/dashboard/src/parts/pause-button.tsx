import { useServices } from "../services.ts";

export function PauseButton() {
  const { pause } = useServices();
  const isPaused = pause.sinceMs.value !== undefined;
  return (
    <button type="button" aria-pressed={isPaused} aria-keyshortcuts="p" onClick={() => pause.toggle()}>
      {isPaused ? "Go on" : "Pause"}
    </button>
  );
}
