import { html, type Markup } from '../../page/markup.js';
import { tableSection } from '../../page/table.js';
import { bytesText, countText } from '../../words.js';
import type { Report } from '../report.js';
import { timeText } from './head.js';

/** What the trend needs of a report. */
export type TrendPoint = Pick<Report, 'id' | 'at' | 'totals'>;

/** Rows of the table; the lines hold every report. */
const ROWS = 10;

/** How bytes and keys went over the reports of this target; null while there is only one. */
export function trendSection(report: Report, others: readonly TrendPoint[]): Markup | null {
  const points = [...others.filter(({ id }) => id !== report.id), report].sort(
    (a, b) => Date.parse(a.at) - Date.parse(b.at),
  );
  if (points.length < 2) return null;
  const shown = points.slice(-ROWS);
  return html`<div class="trend">
<section aria-labelledby="trend-title">
<h2 id="trend-title">Trend</h2>
<div class="columns">
${line('Bytes', points, ({ totals }) => totals.bytes, bytesText)}
${line('Keys', points, ({ totals }) => totals.keys, countText)}
</div>
</section>
${tableSection(
  'reports',
  points.length > ROWS ? `The last ${ROWS} of ${countText(points.length)} reports` : 'Reports',
  ['Time', 'Bytes', 'Change', 'Keys', 'Change'].map((name, index) => ({ name, number: index > 0 })),
  shown
    .map((point, index) => [
      timeText(point.at),
      bytesText(point.totals.bytes),
      change(point.totals.bytes, shown[index - 1]?.totals.bytes, bytesText),
      countText(point.totals.keys),
      change(point.totals.keys, shown[index - 1]?.totals.keys, countText),
    ])
    .reverse(),
)}
</div>`;
}

type Words = (value: number) => string;

function change(now: number, before: number | undefined, words: Words): string {
  if (before === undefined) return '-';
  return now > before ? `+${words(now - before)}` : words(now - before);
}

function line(
  name: string,
  points: readonly TrendPoint[],
  of: (point: TrendPoint) => number,
  words: Words,
): Markup {
  const values = points.map(of);
  const [most, least] = [Math.max(...values), Math.min(...values)];
  // From nothing where that does not flatten the line.
  const floor = least < most / 2 ? 0 : least - (most - least) * 0.1 - (most === least ? 1 : 0);
  const times = points.map(({ at }) => Date.parse(at));
  const [start, end] = [times[0] ?? 0, times.at(-1) ?? 0];
  const places = values.map((value, index) => {
    const x = end > start ? (((times[index] ?? 0) - start) / (end - start)) * 100 : 50;
    return `${x.toFixed(2)} ${(40 - ((value - floor) / (most - floor || 1)) * 38).toFixed(2)}`;
  });
  const [first, last] = [points[0], points.at(-1)];
  const between = `${timeText(first?.at ?? '')} to ${timeText(last?.at ?? '')}`;
  return html`<figure>
<figcaption>${name}: ${words(values.at(-1) ?? 0)} <small>between ${words(least)} and ${words(most)}</small></figcaption>
<svg class="line" viewBox="0 0 100 42" preserveAspectRatio="none" role="img" aria-label="${name}, ${between}: from ${words(values[0] ?? 0)} to ${words(values.at(-1) ?? 0)}; the figures are in the table below">
<path class="area" d="M${places.join('L')}L100 42L0 42Z"/>
<path class="stroke" d="M${places.join('L')}"/>
${places.map((place) => html`<path class="dot" d="M${place}h0"/>`)}
</svg>
<p class="ends"><span>${timeText(first?.at ?? '').slice(0, 10)}</span><span>${timeText(last?.at ?? '').slice(0, 10)}</span></p>
</figure>`;
}
