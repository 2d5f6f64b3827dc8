import type { ComponentChildren } from "preact";

export interface TileProps {
  readonly name: string;
  /** One short line. */
  readonly hint: ComponentChildren;
  readonly children: ComponentChildren;
}

/** One figure, with its name and what it is. */
export function Tile({ name, hint, children }: TileProps) {
  return (
    <div class="tile card">
      <dt>{name}</dt>
      <dd data-tile={name}>{children}</dd>
      <dd class="hint">{hint}</dd>
    </div>
  );
}
