import type { ComponentChildren } from "preact";

export interface TileProps {
  readonly name: string;
  readonly hint?: string;
  readonly children: ComponentChildren;
}

/** One figure, with its name and what it is. */
export function Tile({ name, hint, children }: TileProps) {
  return (
    <div class="tile">
      <dt>{name}</dt>
      <dd data-tile={name}>{children}</dd>
      {hint !== undefined && <dd class="hint">{hint}</dd>}
    </div>
  );
}
