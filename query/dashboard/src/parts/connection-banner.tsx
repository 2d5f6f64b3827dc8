import { useComputed, useSignal, useSignalEffect } from "@preact/signals";
import { connectionText } from "../api/resume.ts";
import { useServices } from "../services.ts";

const resumedShownMs = 6_000;

/** Says when the connection is lost, and that nothing was missed; there from the start, so that it is read out. */
export function ConnectionBanner() {
  const { feed, tailConnection, link } = useServices();
  const connection = useComputed(() => (link.state.value.page === "tail" ? tailConnection : feed.connection).value);
  const isOver = useSignal(false);
  useSignalEffect(() => {
    isOver.value = false;
    if (connection.value.kind !== "resumed") return;
    const timer = setTimeout(() => (isOver.value = true), resumedShownMs);
    return () => clearTimeout(timer);
  });
  const state = connection.value;
  const text = isOver.value ? undefined : connectionText(state);
  return (
    <p class={`banner banner-${state.kind}`} role="status" aria-live="polite" data-connection={state.kind}>
      {text ?? ""}
    </p>
  );
}
