import { html, type Markup } from './markup.js';

export interface Column {
  name: string;
  /** Numbers stand at the right. */
  number?: boolean;
}

export type Cell = string | Markup | null;

/** A section with one table; the first cell of each row names it. */
export function tableSection(
  id: string,
  title: string,
  columns: readonly Column[],
  rows: readonly (readonly Cell[])[],
): Markup {
  const kind = (index: number) => (columns[index]?.number ? 'number' : 'text');
  return html`<section aria-labelledby="${id}-title">
<h2 id="${id}-title">${title}</h2>
<div class="scroll" tabindex="0" role="group" aria-labelledby="${id}-title">
<table>
<thead><tr>${columns.map(({ name }, index) => html`<th scope="col" class="${kind(index)}">${name}</th>`)}</tr></thead>
<tbody>
${rows.map(
  ([first, ...rest]) =>
    html`<tr><th scope="row">${first ?? null}</th>${rest.map((cell, index) => html`<td class="${kind(index + 1)}">${cell}</td>`)}</tr>\n`,
)}</tbody>
</table>
</div>
</section>`;
}

/** A bar of a share of 0 to 1; the figure beside it says the same. */
export function bar(share: number): Markup {
  const width = String(Math.round(Math.min(1, Math.max(0, share)) * 1_000) / 10);
  return html`<svg class="bar" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true"><rect class="track" width="100" height="8"/><rect class="fill" width="${width}" height="8"/></svg>`;
}
