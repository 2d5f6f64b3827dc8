import { type Signal, useSignal } from "@preact/signals";

export interface ChartTable {
  readonly caption: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** The latest windows of a chart as a table: always there for who hears the page, on a button for who sees it. */
export function TableBehind({ table }: { readonly table: Signal<ChartTable> }) {
  const isShown = useSignal(false);
  const { caption, columns, rows } = table.value;
  return (
    <div class="table-behind">
      <button
        type="button"
        aria-expanded={isShown.value}
        aria-label={`Table of ${caption}`}
        onClick={() => (isShown.value = !isShown.value)}
      >
        Table
      </button>
      {/* Reached by the keyboard only where it is seen: it scrolls there. */}
      <div
        class={isShown.value ? "table-scroll" : "visually-hidden"}
        role="region"
        aria-label={`${caption}, as a table`}
        {...(isShown.value && { tabIndex: 0 })}
      >
        <table>
          <caption>{caption}</caption>
          <thead>
            <tr>
              {columns.map((column) => (
                <th key={column} scope="col">
                  {column}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.map((row) => (
              <tr key={row[0]}>{row.map((cell, i) => (i === 0 ? <th scope="row">{cell}</th> : <td>{cell}</td>))}</tr>
            ))}
          </tbody>
        </table>
      </div>
    </div>
  );
}
