import { bytesText, countText, percentText } from '../../words.js';
import type { Figures, Report } from '../report.js';
import { html, type Markup } from './markup.js';

export interface Column {
  name: string;
  /** Numbers stand at the right. */
  number?: boolean;
}

type Cell = string | Markup | null;

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

const FIGURES: Column[] = ['Bytes', 'Share', 'Keys', 'Average', 'Largest', 'Without TTL'].map(
  (name) => ({ name, number: true }),
);

export function types(report: Report): Markup {
  const elements = report.types.some(({ elements }) => elements !== null);
  return tableSection(
    'types',
    'Types',
    [{ name: 'Type' }, ...FIGURES, ...(elements ? [{ name: 'Elements', number: true }] : [])],
    report.types.map((type) => [
      name(type.type),
      ...figures(type, report),
      ...(elements ? [type.elements === null ? '-' : countText(type.elements)] : []),
    ]),
  );
}

export function databases(report: Report): Markup | null {
  if (report.databases.length === 0) return null;
  return tableSection(
    'databases',
    'Databases',
    [{ name: 'Database' }, ...FIGURES],
    report.databases.map((database) => [String(database.db), ...figures(database, report)]),
  );
}

function figures(of: Figures, { totals }: Report): Cell[] {
  const share = totals.bytes > 0 ? of.bytes / totals.bytes : 0;
  return [
    bytesText(of.bytes),
    html`${bar(share)}${percentText(share)}`,
    countText(of.keys),
    bytesText(of.average),
    bytesText(of.max),
    percentText(of.bytes > 0 ? of.no_ttl_bytes / of.bytes : 0),
  ];
}

export function servers(report: Report): Markup {
  return tableSection(
    'servers',
    report.source === 'live' ? 'Servers' : 'Source',
    ['Address', 'Keys read', 'Keys it has', 'Bytes', 'Memory used'].map((name, index) => ({
      name,
      number: index > 0,
    })),
    report.servers.map((server) => [
      name(server.address),
      countText(server.keys),
      server.dbsize === null ? '-' : countText(server.dbsize),
      bytesText(server.bytes),
      server.used_memory === null ? '-' : bytesText(server.used_memory),
    ]),
  );
}

function name(text: string): Markup {
  return html`<bdi class="name">${text}</bdi>`;
}
