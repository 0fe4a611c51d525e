import { createHash } from 'node:crypto';
import { script, style } from 'page:memory';
import type { Report } from '../report.js';
import { histograms } from './charts.js';
import { embeddable, pageData } from './data.js';
import { header, totals, warnings } from './head.js';
import { html, Markup } from './markup.js';
import { databases, servers, types } from './tables.js';
import { type TrendPoint, trendSection } from './trend.js';

/**
 * One page that holds a whole report and needs nothing else: no network, no file beside it.
 * The browser runs the page's own script and style only, whatever the names of keys contain.
 *
 * @param trend other reports of the same target, in any order; a trend is shown from two on.
 */
export function renderHtml(report: Report, trend: readonly TrendPoint[] = []): string {
  const policy = [
    "default-src 'none'",
    `style-src '${hash(style)}'`,
    `script-src '${hash(script)}'`,
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ');
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${new Markup(policy)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>Memory of ${report.target}, ${report.at.slice(0, 10)}</title>
<style>${new Markup(style)}</style>
</head>
<body>
${header(report)}
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
</main>
<p role="status" id="said" class="unseen"></p>
<script type="application/json" id="data">${new Markup(embeddable(pageData(report)))}</script>
<script>${new Markup(script)}</script>
</body>
</html>
`.text;
}

function hash(text: string): string {
  return `sha256-${createHash('sha256').update(text).digest('base64')}`;
}
