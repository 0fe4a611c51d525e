import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { renderHtml } from '../../src/memory/html/render.js';
import { type Browser, browserPath, startBrowser } from './browser.js';
import { HOSTILE, hostileReport, RAW } from './hostile.js';
import { manyKinds, sampleReport, sampleTrend } from './report-sample.js';

const report = sampleReport();
const html = renderHtml(report, sampleTrend(report, 14));
let browser: Browser;

const firstCells = (table: string) =>
  `[...document.querySelectorAll('${table} tbody tr')].map(row => row.cells[0].querySelector('.name').textContent)`;

describe.skipIf(!browserPath)('in a browser (skipped where there is no Chromium)', () => {
  beforeAll(async () => {
    browser = await startBrowser();
  });
  afterAll(() => browser?.close());

  it('shows hostile names as text and runs none of them', async () => {
    const { page, complaints } = await browser.open(renderHtml(hostileReport()));
    expect(await page.evaluate(firstCells('#keys'))).toContain(
      '</script><script>alert(2)</script>',
    );
    expect(await page.evaluate(firstCells('#keys'))).toContain('user\\u202egnp.exe\\u202c');
    // Into every group and back, and every type.
    const opened = await page.evaluate<string[]>(`(async () => {
      const opened = [];
      const turned = () => new Promise((resolve) => addEventListener('hashchange', resolve, { once: true }));
      for (let at = 0; at < ${HOSTILE.length}; at++) {
        document.querySelectorAll('#groups tbody a')[at].click();
        await turned();
        opened.push(document.querySelector('nav [aria-current]').textContent);
        document.querySelector('nav a').click();
        await turned();
        const select = document.querySelector('#keys select');
        select.selectedIndex = at + 1;
        select.dispatchEvent(new Event('change'));
      }
      return opened;
    })()`);
    expect(new Set(opened).size).toBe(HOSTILE.length);
    expect(opened).toContain('half\ufffdpair');
    const { text, ours } = await page.evaluate<{ text: string; ours: string[] }>(`({
      text: document.body.innerText + document.title,
      ours: [...new Set([...document.querySelectorAll('*')].map(({ localName }) => localName))],
    })`);
    expect(text.replaceAll('\n', '').replaceAll('\t', '')).not.toMatch(RAW);
    expect(ours).not.toContain('img');
    expect(await page.evaluate('document.scripts.length')).toBe(2);
    expect(complaints).toEqual([]);
  });

  it('stays quick with 20,000 groups: only one level is in the page', async () => {
    const { page, complaints } = await browser.open(renderHtml(sampleReport(manyKinds(9_900))));
    expect(await page.evaluate(`document.querySelectorAll('*').length`)).toBeLessThan(6_000);
    expect(await page.locator('#map').textContent()).toContain('80 smaller groups');
    const took = await page.evaluate<number>(`new Promise((resolve) => {
      const start = performance.now();
      addEventListener('hashchange', () => requestAnimationFrame(() => resolve(performance.now() - start)));
      location.hash = '#at=tenant-7';
    })`);
    expect(took).toBeLessThan(1_000);
    expect(complaints).toEqual([]);
  });

  it.each([
    [1_440, 'light'],
    [1_440, 'dark'],
    [360, 'light'],
    [360, 'dark'],
  ] as const)('is accessible and fits at %i pixels, %s', async (width, colorScheme) => {
    const partial = renderHtml(
      sampleReport(undefined, { partial: 'interrupted' }),
      sampleTrend(report, 3),
    );
    const opened = await browser.open(partial, { viewport: { width, height: 800 }, colorScheme });
    const { page } = opened;
    expect(await opened.violations()).toEqual([]);
    await page.locator('#groups table a', { hasText: 'asl' }).click();
    await page.getByRole('radio', { name: 'Average size' }).check({ force: true });
    expect(await opened.violations()).toEqual([]);
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(width);
    expect(opened.complaints).toEqual([]);
  });

  it('does not move while it loads', async () => {
    const { page } = await browser.open(html);
    const shift = await page.evaluate<number>(`new Promise((resolve) => {
      new PerformanceObserver((list) => resolve(list.getEntries().reduce((all, { value }) => all + value, 0)))
        .observe({ type: 'layout-shift', buffered: true });
      setTimeout(() => resolve(0), 200);
    })`);
    expect(shift).toBe(0);
  });
});
