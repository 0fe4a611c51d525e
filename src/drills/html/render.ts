import { script, style } from 'page:drill';
import { themeButton, wholePage } from '../../page/document.js';
import { html, type Markup } from '../../page/markup.js';
import { tableSection } from '../../page/table.js';
import { countText, percentText, spanText } from '../../words.js';
import type { Sample } from '../observer.js';
import { figureName, type Report } from '../record.js';
import type { Setting } from '../witnesses/witness.js';
import { applicationChart, LEGEND, targetChart } from './chart.js';

/**
 * One page for whoever asks for proof of a drill: verdict, figures, what happened when, and the
 * settings before and after. It needs nothing else: no network, no file beside it.
 */
export function renderHtml(
  report: Report,
  samples: readonly Sample[],
  settings: readonly Setting[],
): string {
  const first = samples[0];
  const span = { from: (first?.at ?? 0) - (first?.ms ?? 0), to: Math.max(report.marks.end, 1) };
  const body = html`${header(report)}
<main>
${verdict(report)}
${totals(report)}
<section aria-labelledby="time-title">
<h2 id="time-title">Over time</h2>
${targetChart(samples, report, span)}
${report.applications.map(({ application }) => applicationChart(application, samples, report, span))}
${LEGEND}
</section>
${applications(report)}
${phases(report, samples)}
${timeline(report)}
${settingsSection(settings)}
</main>`;
  return wholePage({
    title: `Drill ${report.drill} on ${report.target}, ${report.started_at.slice(0, 10)}: ${report.verdict}`,
    script,
    style,
    body,
  });
}

function header(report: Report): Markup {
  return html`<header>
<div>
<p class="kind">Drill report</p>
<h1>${report.drill} on <bdi>${report.target}</bdi></h1>
<p class="facts"><time datetime="${report.started_at}">${moment(report.started_at)}</time> to ${moment(report.ended_at).slice(11)}, at <span class="name">${report.address}</span>, environment ${report.environment}. Report <span class="name">${report.id}</span>.</p>
</div>
${themeButton}
</header>`;
}

/** `2026-03-01 04:10:09 UTC` of an ISO time. */
function moment(at: string): string {
  return `${at.slice(0, 10)} ${at.slice(11, 19)} UTC`;
}

function verdict({ verdict: said, reasons, restored, restored_by: by }: Report): Markup {
  const back = restored
    ? `Everything is restored (${by === 'drill' ? 'by the drill' : by}).`
    : 'NOT RESTORED.';
  return html`<div class="verdict ${said}" role="group" aria-label="Verdict">
<p>${said.charAt(0).toUpperCase() + said.slice(1)}. ${back}</p>
${reasons.length > 0 ? html`<ul>${reasons.map((reason) => html`<li>${reason}</li>`)}</ul>` : null}
</div>`;
}

function totals(report: Report): Markup {
  const worst = (figure: 'degrade_ms' | 'recover_ms') =>
    Math.max(0, ...report.applications.map((one) => one[figure] ?? 0));
  const requests = report.applications.reduce((sum, one) => sum + one.requests, 0);
  const failed = report.applications.reduce((sum, one) => sum + one.failed, 0);
  return html`<dl class="totals">
${figure('Outage of the target', report.outage_ms === null ? 'none' : spanText(report.outage_ms), 'by direct pings')}
${figure('Degraded within', spanText(worst('degrade_ms')), 'the slowest application')}
${figure('Recovered within', spanText(worst('recover_ms')), 'the slowest application')}
${figure('Requests', countText(requests), `${countText(failed)} failed`)}
${Object.entries(report.facts).map(([name, value]) => figure(figureName(name), typeof value === 'number' ? countText(value) : (value ?? 'unknown')))}
</dl>`;
}

function figure(name: string, value: string, note?: string): Markup {
  return html`<div><dt>${name.charAt(0).toUpperCase() + name.slice(1)}</dt><dd>${value}${note ? html`<small>${note}</small>` : null}</dd></div>`;
}

const numbers = (first: string, ...names: string[]) => [
  { name: first },
  ...names.map((name) => ({ name, number: true })),
];

function applications(report: Report): Markup | null {
  if (report.applications.length === 0) return null;
  return tableSection(
    'applications',
    'Applications',
    numbers(
      'Application',
      'Degraded after',
      'Recovered after',
      'Available',
      'Requests',
      'Failed',
      'Missed at a change',
      'Slowest',
      'Changes of mode',
    ),
    report.applications.map((one) => [
      html`<bdi class="name">${one.application}</bdi>`,
      one.degrade_ms === null ? 'never' : spanText(one.degrade_ms),
      one.recover_ms === null ? 'never' : spanText(one.recover_ms),
      percentText(one.availability),
      countText(one.requests),
      countText(one.failed),
      countText(one.missed_in_transition),
      spanText(one.worst_ms),
      countText(one.transitions),
    ]),
  );
}

/** The same figures as the charts, phase by phase. */
function phases({ marks, applications: all }: Report, samples: readonly Sample[]): Markup | null {
  if (all.length === 0) return null;
  const { injected, restored, end } = marks;
  const bounds: [name: string, from: number, to: number][] = [
    ['before', 0, injected ?? end],
    ['broken', injected ?? end, restored ?? end],
    ['after', restored ?? end, end],
  ];
  return tableSection(
    'phases',
    'Latency by phase',
    numbers('Application, phase', 'Requests', 'Not answered rightly', 'Median', '95 %', 'Slowest'),
    all.flatMap(({ application }) =>
      bounds.map(([name, from, to]) => {
        const part = samples.filter(({ of, at }) => of === application && at >= from && at < to);
        const times = part.map(({ ms }) => ms).sort((a, b) => a - b);
        const quantile = (share: number) => {
          const value = times[Math.min(times.length - 1, Math.floor(times.length * share))];
          return value === undefined ? '-' : spanText(value);
        };
        return [
          html`<bdi class="name">${application}</bdi>, ${name}`,
          countText(part.length),
          countText(part.filter(({ ok }) => !ok).length),
          quantile(0.5),
          quantile(0.95),
          quantile(1),
        ];
      }),
    ),
  );
}

function timeline({ timeline: events }: Report): Markup {
  return tableSection(
    'timeline',
    'Timeline',
    [{ name: 'After' }, { name: 'Phase' }, { name: 'What' }],
    events.map(({ at, phase, message }) => [
      `${(at / 1_000).toFixed(3)} s`,
      phase,
      html`<span class="value">${message}</span>`,
    ]),
  );
}

function settingsSection(settings: readonly Setting[]): Markup {
  const changed = settings.filter(({ before, after }) => before !== after);
  const rows = (list: readonly Setting[]) =>
    list.map(({ name, before, after }) => [
      html`<bdi class="name">${name}</bdi>`,
      html`<bdi>${before ?? 'not set'}</bdi>`,
      html`<bdi>${after ?? 'not set'}</bdi>`,
    ]);
  const columns = [{ name: 'Setting' }, { name: 'Before' }, { name: 'After' }];
  if (settings.length === 0)
    return html`<section aria-labelledby="settings-title"><h2 id="settings-title">Settings before and after</h2><p>They were not compared.</p></section>`;
  const same = settings.length - changed.length;
  return html`${changed.length > 0 ? tableSection('changed', 'Settings that changed', columns, rows(changed)) : null}
<section aria-labelledby="settings-title">
<h2 id="settings-title">Settings before and after</h2>
<p>${countText(same)} of ${countText(settings.length)} settings and users are the same. Secrets are shown as marks that tell only whether they changed.</p>
<details><summary>All of them</summary>
${tableSection('all', 'All settings', columns, rows(settings))}
</details>
</section>`;
}
