import { themeButton } from '../../page/document.js';
import { html, type Markup } from '../../page/markup.js';
import { bytesText, countText, percentText, spanText } from '../../words.js';
import type { Report } from '../report.js';

const SOURCES = {
  live: 'read from the running server',
  rdb: 'read from an RDB file',
  replication: 'read from a snapshot over replication',
};

export function header(report: Report): Markup {
  return html`<header>
<div>
<p class="kind">Memory report</p>
<h1><bdi>${report.target}</bdi></h1>
<p class="facts"><time datetime="${report.at}">${timeText(report.at)}</time>, ${SOURCES[report.source]} in ${spanText(report.took_ms)}. ${sizes(report)} Report <span class="name">${report.id}</span>.</p>
</div>
${themeButton}
</header>`;
}

/** `2026-03-01 04:10 UTC` of an ISO time. */
export function timeText(at: string): string {
  return `${at.slice(0, 10)} ${at.slice(11, 16)} UTC`;
}

function sizes({ sizes_by: by, samples }: Report): string {
  if (by === 'exact') return 'Sizes are exact: MEMORY USAGE over all elements.';
  if (by === 'estimate') return 'Sizes are estimates, calculated from the encoding.';
  return `Sizes are by MEMORY USAGE with ${countText(samples ?? 0)} samples a key.`;
}

/** What the figures do not cover; it stands above them. */
export function warnings(report: Report): Markup {
  const { partial, sampled, totals } = report;
  const said = [
    partial && `Partial: this report does not hold every key. ${sentence(partial)}`,
    sampled &&
      `Sampled: ${sampled.part}/${sampled.of} of the key space was looked at. Keys and bytes are estimates of the whole; ranges hold with a probability of 95 %.`,
    filterText(report),
    totals.unreadable > 0 &&
      `${countText(totals.unreadable)} keys could not be read: the user's rights hide them.`,
  ].filter((text) => typeof text === 'string');
  return html`<div class="warnings">${said.map((text) => html`<p class="warning">${text}</p>\n`)}</div>`;
}

function filterText({ filter }: Report): string | null {
  const said = [
    filter.match !== null && `names that match ${filter.match}`,
    filter.type !== null && `type ${filter.type}`,
    filter.db !== null && `database ${filter.db}`,
    filter.over !== null && `more than ${bytesText(filter.over)}`,
  ].filter((text) => typeof text === 'string');
  return said.length > 0 ? `Filtered: only keys of ${said.join(', ')}.` : null;
}

function sentence(text: string): string {
  const first = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(first) ? first : `${first}.`;
}

export function totals({ totals: all }: Report): Markup {
  const share = (part: number, whole: number) => percentText(whole > 0 ? part / whole : 0);
  return html`<dl class="totals">
${figure('Data in keys', bytesText(all.bytes))}
${figure('Keys', countText(all.keys))}
${figure('Average', bytesText(all.average))}
${figure('99 % are at most', bytesText(all.p99))}
${figure('Largest', bytesText(all.max))}
${figure('Without TTL', bytesText(all.no_ttl_bytes), `${share(all.no_ttl_bytes, all.bytes)} of bytes, ${share(all.no_ttl, all.keys)} of keys`)}
${all.vanished > 0 ? figure('Gone meanwhile', countText(all.vanished), 'expired or deleted') : null}
</dl>`;
}

function figure(name: string, value: string, note?: string): Markup {
  return html`<div><dt>${name}</dt><dd>${value}${note ? html`<small>${note}</small>` : null}</dd></div>`;
}
