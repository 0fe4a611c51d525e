import { html, type Markup } from '../../page/markup.js';
import { bar, type Cell, type Column, tableSection } from '../../page/table.js';
import { bytesText, countText, percentText } from '../../words.js';
import type { Figures, Report } from '../report.js';

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
