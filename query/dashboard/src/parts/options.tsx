import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";

/** As in layout.css: from there on there is room for all of them. */
const wide = "(min-width: 48rem)";

export interface OptionsProps {
  readonly name: string;
  readonly children: ComponentChildren;
}

/** Fields that are in sight where there is room, and behind their name on a phone: the chart comes first there. */
export function Options({ name, children }: OptionsProps) {
  const isWide = useSignal(matchMedia(wide).matches);
  useEffect(() => {
    const query = matchMedia(wide);
    const onChange = () => (isWide.value = query.matches);
    query.addEventListener("change", onChange);
    return () => query.removeEventListener("change", onChange);
  }, [isWide]);
  return (
    <details class="options" open={isWide.value}>
      <summary>{name}</summary>
      <div class="fields">{children}</div>
    </details>
  );
}
