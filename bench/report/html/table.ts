import { type Bar, numericColumns, type Table } from "../section.ts";
import { escapeHtml } from "./escape.ts";

/** A table, with bars to scale where it has them: its numbers are its own text for those who do not see them. */
export function tableHtml(table: Table): string {
  const caption = escapeHtml(table.caption);
  const isScrolled = table.bars === undefined;
  // What can be scrolled must be reachable by keys.
  const frame = isScrolled ? `class="scroll" tabindex="0" role="region" aria-label="${caption}"` : 'class="bars"';
  const body = `<table role="table" aria-label="${caption}">${headHtml(table)}${bodyHtml(table)}</table>`;
  const framed = `<div ${frame}>${body}</div>`;
  return table.isLong
    ? `<details class="table"><summary>${caption}</summary>${framed}</details>`
    : `<figure class="table"><figcaption>${caption}</figcaption>${framed}</figure>`;
}

function headHtml(table: Table): string {
  const numeric = numericColumns(table);
  const cells = table.columns.map((name, i) => headCell(name, numeric[i]));
  if (table.bars !== undefined) cells.splice(1, 0, '<th role="columnheader" class="bar" aria-hidden="true"></th>');
  return `<thead role="rowgroup"><tr role="row">${cells.join("")}</tr></thead>`;
}

function headCell(name: string, isNumeric: boolean): string {
  return `<th role="columnheader" scope="col"${isNumeric ? ' class="number"' : ""}>${escapeHtml(name)}</th>`;
}

function bodyHtml(table: Table): string {
  const numeric = numericColumns(table);
  const most = Math.max(...(table.bars ?? []).map((bar) => bar?.high ?? bar?.value ?? 0));
  const rows = table.rows.map(([name, ...cells], row) => {
    const texts = cells.map((cell, i) => cellHtml(cell, table.columns[i + 1], numeric[i + 1]));
    if (table.bars !== undefined) texts.unshift(barHtml(table.bars[row], most));
    return `<tr role="row"><th role="rowheader" scope="row">${escapeHtml(name)}</th>${texts.join("")}</tr>`;
  });
  return `<tbody role="rowgroup">${rows.join("")}</tbody>`;
}

function cellHtml(cell: string, column: string, isNumeric: boolean): string {
  const classes = [isNumeric && "number", cell.endsWith(", worse") && "worse", cell === "" && "none"].filter(Boolean);
  return `<td role="cell" class="${classes.join(" ")}" data-column="${escapeHtml(column)}">${escapeHtml(cell)}</td>`;
}

/** From nothing to the value, and a whisker over the interval; the longest reaches to the end. */
function barHtml(bar: Bar | undefined, most: number): string {
  const share = (value: number) => `${Math.max(0, Math.min(100, (value / most) * 100)).toFixed(2)}%`;
  let inner = "";
  if (bar !== undefined && most > 0) {
    inner = `<i class="fill${bar.isOther ? " other" : ""}" style="width:${share(bar.value)}"></i>`;
    // One that is too narrow to be seen would look like a blot.
    if (bar.low !== undefined && bar.high !== undefined && (bar.high - bar.low) / most > 0.004) {
      inner += `<i class="whisker" style="left:${share(bar.low)};width:${share(bar.high - bar.low)}"></i>`;
    }
  }
  return `<td role="cell" class="bar" aria-hidden="true"><span>${inner}</span></td>`;
}
