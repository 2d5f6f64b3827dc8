import { useServices } from "../services.ts";
import type { LineStyle } from "./colours.ts";

/** A piece of the line, as the chart draws it. */
export function Swatch({ style }: { readonly style: LineStyle }) {
  const { isDark } = useServices();
  return (
    <svg class="swatch" width="28" height="10" viewBox="0 0 28 10" role="img" aria-label={style.name}>
      <line
        x1="0"
        x2="28"
        y1="5"
        y2="5"
        stroke={isDark.value ? style.dark : style.light}
        stroke-width="3"
        {...(style.dash.length > 0 && { "stroke-dasharray": style.dash.join(" ") })}
      />
    </svg>
  );
}
