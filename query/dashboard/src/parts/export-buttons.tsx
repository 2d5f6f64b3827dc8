import { useSignal } from "@preact/signals";
import { useServices } from "../services.ts";
import { csvOf } from "../state/csv.ts";
import { spanOf } from "../state/time-range.ts";

export interface ExportLine {
  readonly key: string;
  readonly source: string;
  readonly metric: string;
}

/** What is shown as CSV, and as a link. */
export function ExportButtons({ lines }: { readonly lines: readonly ExportLine[] }) {
  const { link, store, pause } = useServices();
  const said = useSignal("");

  function saveCsv(): void {
    const span = spanOf(link.state.peek().range, pause.nowMs());
    const known = lines.flatMap(({ key, source, metric }) => {
      const series = store.get(key);
      return series === undefined ? [] : [{ source, metric, series }];
    });
    const url = URL.createObjectURL(new Blob([csvOf(known, span)], { type: "text/csv;charset=utf-8" }));
    const anchor = document.createElement("a");
    anchor.href = url;
    anchor.download = "tidemark.csv";
    anchor.click();
    URL.revokeObjectURL(url);
    said.value = "CSV saved";
  }

  async function share(): Promise<void> {
    // Another's "now" is another time: the link has the times that are shown.
    const { fromMs, toMs } = spanOf(link.state.peek().range, pause.nowMs());
    const range = { from: new Date(fromMs).toISOString(), to: new Date(toMs).toISOString() };
    const url = new URL(link.href({ range }), location.href).href;
    try {
      await navigator.clipboard.writeText(url);
      said.value = "Link copied";
    } catch {
      // Without HTTPS, or when it is forbidden.
      said.value = url;
    }
  }

  return (
    <div class="fields">
      <button type="button" onClick={saveCsv}>
        Save CSV
      </button>
      <button type="button" onClick={() => void share()}>
        Copy link
      </button>
      <output class="said" aria-live="polite">
        {said}
      </output>
    </div>
  );
}
