import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { renderHtml } from '../../src/drills/html/render.js';
import type { Sample } from '../../src/drills/observer.js';
import type { Report } from '../../src/drills/record.js';
import { type Browser, browserPath, startBrowser } from '../memory/browser.js';
import { startEstate, summary } from './estate.js';

const HOSTILE = `</script><img src=x onerror=alert(1)>"'&\u202e`;

function reportOf(change: Partial<Report> = {}): Report {
  const application = {
    application: 'backend',
    degrade_ms: 14,
    recover_ms: 714,
    transitions: 2,
    requests: 240,
    failed: 0,
    availability: 1,
    missed_in_transition: 1,
    worst_ms: 310,
  };
  return {
    id: '2026-03-01T04-10-09-000Z-a1b2c3',
    drill: 'redis-down',
    target: 'main',
    address: '127.0.0.1:6379',
    environment: 'staging',
    started_at: '2026-03-01T04:10:09.000Z',
    ended_at: '2026-03-01T04:10:19.000Z',
    verdict: 'passed',
    reasons: [],
    restored: true,
    restored_by: 'drill',
    outage_ms: 3_120,
    applications: [application, { ...application, application: 'exporter', degrade_ms: null }],
    facts: { settings_compared: 3, writes_lost: 0 },
    marks: { injected: 1_000, restoring: 4_000, restored: 4_100, end: 6_000 },
    timeline: [
      { at: 12, phase: 'prepare', message: 'main and 2 application(s) are healthy' },
      { at: 1_000, phase: 'inject', message: 'stopping Redis at 127.0.0.1:6379' },
    ],
    ...change,
  };
}

function samplesOf(): Sample[] {
  const samples: Sample[] = [];
  for (let at = 0; at < 6_000; at += 100) {
    const broken = at >= 1_000 && at < 4_100;
    samples.push({ at, of: 'target', kind: 'ping', ok: !broken, ms: 1 });
    for (const of of ['backend', 'exporter']) {
      samples.push({ at, of, kind: 'health', ok: true, ms: 2, mode: broken ? 'memory' : 'redis' });
      samples.push({ at, of, kind: 'write', ok: at !== 1_100, ms: at === 1_100 ? 310 : 3 });
    }
  }
  return samples;
}

const SETTINGS = [
  { name: 'maxmemory', before: '104857600', after: '0' },
  { name: 'requirepass', before: '(secret 1a2b3c)', after: '(secret 1a2b3c)' },
  { name: 'user default', before: 'user default on', after: 'user default on' },
];

const page = (change?: Partial<Report>) => renderHtml(reportOf(change), samplesOf(), SETTINGS);
let browser: Browser;

describe.skipIf(!browserPath)(
  'the page of a drill in a browser (skipped where there is no Chromium)',
  () => {
    beforeAll(async () => {
      browser = await startBrowser();
    });
    afterAll(() => browser?.close());

    it.each(['light', 'dark'] as const)(
      'is accessible in %s, asks the network for nothing, and fits a phone',
      async (colorScheme) => {
        for (const change of [
          {},
          { verdict: 'failed' as const, reasons: ['backend: never reported memory mode'] },
        ]) {
          const {
            page: tab,
            complaints,
            violations,
          } = await browser.open(page(change), { colorScheme });
          expect(await violations()).toEqual([]);
          await tab.setViewportSize({ width: 360, height: 740 });
          const wide =
            'document.documentElement.scrollWidth > document.documentElement.clientWidth';
          expect(await tab.evaluate(wide)).toBe(false);
          expect(complaints).toEqual([]);
        }
      },
    );

    it('shows the verdict with its reasons, a chart for each application, and what changed', async () => {
      const reasons = ['backend: took 714 ms to return to redis mode, more than 500 ms'];
      const { page: tab } = await browser.open(page({ verdict: 'failed', reasons }));
      await expect.poll(() => tab.locator('.verdict').textContent()).toContain(reasons[0]);
      expect(await tab.locator('svg.chart[role=img]').count()).toBe(3);
      expect(await tab.locator('.chart .failed').count()).toBeGreaterThan(1);
      expect(
        await tab.locator('section[aria-labelledby=changed-title] tbody tr').allTextContents(),
      ).toEqual(['maxmemory1048576000']);
      await expect
        .poll(() => tab.locator('section[aria-labelledby=phases-title]').textContent())
        .toContain('backend, broken');
      await tab.locator('summary').click();
      await expect.poll(() => tab.locator('details table').isVisible()).toBe(true);
    });

    it('is readable without its script, and changes its colours with it', async () => {
      const { page: tab } = await browser.open(page(), { javaScriptEnabled: false });
      expect(await tab.locator('h1').textContent()).toBe('redis-down on main');
      const scripted = await browser.open(page(), { colorScheme: 'light' });
      const background = () =>
        scripted.page.evaluate('getComputedStyle(document.body).backgroundColor');
      const light = await background();
      await scripted.page.locator('#theme').click();
      await expect.poll(background).not.toBe(light);
    });

    it('runs nothing of what a name or a reason holds', async () => {
      const { page: tab, complaints } = await browser.open(
        page({
          target: HOSTILE,
          reasons: [HOSTILE],
          verdict: 'failed',
          facts: { [HOSTILE]: HOSTILE },
        }),
      );
      expect(await tab.locator('img').count()).toBe(0);
      expect(complaints).toEqual([]);
    });
  },
);

it('is written beside the other forms of a report', async () => {
  const estate = await startEstate();
  try {
    mkdirSync(join(estate.folder, 'out'));
    const { stdout } = await estate.run([
      'drill',
      'redis-down',
      '--yes',
      '--hold',
      '300ms',
      '--html',
      'out/drill.html',
    ]);
    const { id } = summary(stdout);
    const text = readFileSync(join(estate.folder, 'out/drill.html'), 'utf8');
    expect(text).toContain('<h1>redis-down on <bdi>main</bdi></h1>');
    expect(text).toContain('maxmemory-policy');
    expect(text).not.toContain('pass word');
    const stored = join(
      estate.folder,
      'state',
      'cache-ops',
      'drills',
      'history',
      id,
      'report.html',
    );
    expect(readFileSync(stored, 'utf8')).toBe(text);
  } finally {
    await estate.stop();
  }
});
