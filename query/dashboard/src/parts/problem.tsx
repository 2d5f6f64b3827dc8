import type { Signal } from "@preact/signals";

/** Why something is not shown; nothing while all is well. */
export function Problem({ of }: { readonly of: Signal<string> }) {
  return (
    <p class="problem" role="alert">
      {of}
    </p>
  );
}
