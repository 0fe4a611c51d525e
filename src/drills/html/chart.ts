import { html, type Markup } from '../../page/markup.js';
import { spanText } from '../../words.js';
import type { Sample } from '../observer.js';
import type { Report } from '../record.js';

/** Slices of time; each shows its slowest answer. */
const SLICES = 240;
const [WIDTH, TOP, GROUND] = [1_000, 8, 130];
/** The strip of modes stands below the ground. */
const STRIP = { at: 138, height: 10 };

interface Span {
  from: number;
  to: number;
}

/** Latency and failures of one application over the time of the drill, and the mode it said it was in. */
export function applicationChart(
  name: string,
  samples: readonly Sample[],
  report: Report,
  span: Span,
): Markup {
  const own = samples.filter(({ of, kind }) => of === name && kind !== 'ping');
  const slices = slice(own, span);
  const most = Math.max(1, ...slices.map(({ worst }) => worst));
  const points = slices.flatMap(({ worst, count }, index) =>
    count > 0 ? [`${x(index)} ${y(worst / most)}`] : [],
  );
  const failed = own.filter(({ ok }) => !ok).length;
  const modes = strip(
    own.filter(({ kind }) => kind === 'health'),
    ({ mode }) => mode ?? 'unknown',
    span,
  );
  return chart(
    html`<bdi class="name">${name}</bdi> <small>slowest answer of each moment, up to ${spanText(most)}; ${failed === 0 ? 'every request was answered rightly' : `${String(failed)} not answered rightly`}</small>`,
    `${name}: latency over time, at most ${spanText(most)}, ${failed} not answered rightly; the figures are in the tables below`,
    html`${points.length > 0 ? html`<path class="worst" d="M${points.join('L')}"/>` : null}
${slices.map(({ failed: count }, index) => (count > 0 ? html`<rect class="failed" x="${x(index)}" y="${String(GROUND - 14)}" width="${String(WIDTH / SLICES)}" height="14"/>` : html``))}
${modes}`,
    report,
    span,
  );
}

/** Whether the target itself answered, by direct pings. */
export function targetChart(samples: readonly Sample[], report: Report, span: Span): Markup {
  const pings = samples.filter(({ kind }) => kind === 'ping');
  const slices = slice(pings, span);
  const most = Math.max(1, ...slices.map(({ worst }) => worst));
  const points = slices.flatMap(({ worst, count }, index) =>
    count > 0 ? [`${x(index)} ${y(worst / most)}`] : [],
  );
  return chart(
    html`<bdi class="name">${report.target}</bdi> <small>direct pings, up to ${spanText(most)}</small>`,
    `${report.target}: direct pings over time, at most ${spanText(most)}; outage ${report.outage_ms === null ? 'none' : spanText(report.outage_ms)}`,
    html`${points.length > 0 ? html`<path class="worst" d="M${points.join('L')}"/>` : null}
${strip(pings, ({ ok }) => (ok ? 'there' : 'away'), span)}`,
    report,
    span,
  );
}

export const LEGEND = html`<ul class="legend">
${key('broken', 'broken')}${key('coming', 'recovering')}${key('redis', 'in redis mode, or answering')}${key('memory', 'in memory mode, or not answering')}${key('failed', 'not answered rightly')}
</ul>`;

function key(kind: string, text: string): Markup {
  return html`<li><svg class="chart" viewBox="0 0 22 12" aria-hidden="true"><rect class="${kind}" width="22" height="12"/></svg>${text}</li>`;
}

function chart(
  caption: Markup,
  label: string,
  content: Markup,
  report: Report,
  span: Span,
): Markup {
  const { injected, restored, end } = report.marks;
  const band = (kind: string, from: number | null, to: number | null) =>
    from === null || to === null
      ? html``
      : html`<rect class="${kind}" x="${at(from, span)}" y="0" width="${width(from, to, span)}" height="${String(GROUND)}"/>`;
  return html`<figure>
<figcaption>${caption}</figcaption>
<svg class="chart" viewBox="0 0 ${String(WIDTH)} 150" preserveAspectRatio="none" role="img" aria-label="${label}">
${band('broken', injected, restored ?? end)}${band('coming', restored, end)}
<path class="ground" d="M0 ${String(GROUND)}L${String(WIDTH)} ${String(GROUND)}"/>
${content}
</svg>
<p class="ends"><span>${spanText(span.from)}</span><span>${spanText(span.to)}</span></p>
</figure>`;
}

function slice(samples: readonly Sample[], { from, to }: Span) {
  const slices = Array.from({ length: SLICES }, () => ({ worst: 0, failed: 0, count: 0 }));
  for (const { at, ms, ok } of samples) {
    const index = Math.floor(((at - from) / (to - from || 1)) * SLICES);
    const part = slices[Math.min(Math.max(index, 0), SLICES - 1)];
    if (!part) continue;
    part.worst = Math.max(part.worst, ms);
    part.count += 1;
    if (!ok) part.failed += 1;
  }
  return slices;
}

/** What was said, from one change of it to the next. */
function strip(samples: readonly Sample[], say: (sample: Sample) => string, span: Span): Markup[] {
  const changes = samples.filter(
    (sample, index) => index === 0 || say(sample) !== say(samples[index - 1] as Sample),
  );
  return changes.map((sample, index) => {
    const to = changes[index + 1]?.at ?? span.to;
    return html`<rect class="${say(sample)}" x="${at(sample.at, span)}" y="${String(STRIP.at)}" width="${width(sample.at, to, span)}" height="${String(STRIP.height)}"/>`;
  });
}

const x = (index: number) => ((index * WIDTH) / SLICES).toFixed(1);
const y = (share: number) => (GROUND - share * (GROUND - TOP)).toFixed(1);

function at(moment: number, { from, to }: Span): string {
  return (((moment - from) / (to - from || 1)) * WIDTH).toFixed(1);
}

function width(from: number, until: number, { from: start, to }: Span): string {
  return Math.max(0, ((until - from) / (to - start || 1)) * WIDTH).toFixed(1);
}
