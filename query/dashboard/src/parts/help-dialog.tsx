import { useEffect, useRef } from "preact/hooks";
import type { Shortcut } from "../state/shortcuts.ts";

export interface HelpProps {
  readonly isOpen: boolean;
  readonly shortcuts: readonly Shortcut[];
  readonly onClose: () => void;
}

/** The keys. The browser's own dialog: it keeps the focus, and Escape closes it. */
export function HelpDialog({ isOpen, shortcuts, onClose }: HelpProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    if (isOpen) dialog.current?.showModal();
    else dialog.current?.close();
  }, [isOpen]);
  return (
    <dialog ref={dialog} onClose={onClose} aria-labelledby="help-title">
      <h2 id="help-title">Keys</h2>
      <dl class="keys">
        {shortcuts.map(({ keys, does }) => (
          <div key={keys}>
            <dt>
              <kbd>{keys}</kbd>
            </dt>
            <dd>{does}</dd>
          </div>
        ))}
      </dl>
      <p>Drag over a chart to zoom in; double click to go back.</p>
      <button type="button" onClick={onClose}>
        Close
      </button>
    </dialog>
  );
}
