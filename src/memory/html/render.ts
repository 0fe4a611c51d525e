import { script, style } from 'page:memory';
import { wholePage } from '../../page/document.js';
import { html } from '../../page/markup.js';
import type { Report } from '../report.js';
import { histograms } from './charts.js';
import { embeddable, pageData } from './data.js';
import { header, totals, warnings } from './head.js';
import { databases, servers, types } from './tables.js';
import { type TrendPoint, trendSection } from './trend.js';

/**
 * One page that holds a whole report and needs nothing else: no network, no file beside it.
 * The browser runs the page's own script and style only, whatever the names of keys contain.
 *
 * @param trend other reports of the same target, in any order; a trend is shown from two on.
 */
export function renderHtml(report: Report, trend: readonly TrendPoint[] = []): string {
  const body = html`${header(report)}
<main>
${warnings(report)}
${totals(report)}
<noscript><p class="warning">The map of groups and the list of keys need JavaScript. It is in this file; nothing is loaded.</p></noscript>
<section id="groups" aria-labelledby="groups-title"></section>
<section id="keys" aria-labelledby="keys-title"></section>
<div class="columns">${histograms(report)}</div>
${trendSection(report, trend)}
${types(report)}
${databases(report)}
${servers(report)}
</main>`;
  return wholePage({
    title: `Memory of ${report.target}, ${report.at.slice(0, 10)}`,
    script,
    style,
    body,
    data: embeddable(pageData(report)),
  });
}
