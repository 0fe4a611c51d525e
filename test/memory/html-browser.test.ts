import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { renderHtml } from '../../src/memory/html/render.js';
import { type Browser, browserPath, startBrowser } from './browser.js';
import { sampleReport, sampleTrend } from './report-sample.js';

const report = sampleReport();
const html = renderHtml(report, sampleTrend(report, 14));
let browser: Browser;

const hash = 'decodeURIComponent(location.hash)';
const focused = 'document.activeElement.title || document.activeElement.tagName';
const firstCells = (table: string) =>
  `[...document.querySelectorAll('${table} tbody tr')].map(row => row.cells[0].querySelector('.name').textContent)`;

describe.skipIf(!browserPath)('in a browser (skipped where there is no Chromium)', () => {
  beforeAll(async () => {
    browser = await startBrowser();
  });
  afterAll(() => browser?.close());

  it('opens groups by mouse, in the map and in the table, and goes back by the path and by Back', async () => {
    const { page, complaints } = await browser.open(html);
    await page.locator('#map .cell', { hasText: 'asl' }).click({ position: { x: 12, y: 12 } });
    await expect.poll(() => page.evaluate(hash)).toBe('#at=asl');
    await page.locator('#groups table a', { hasText: 'search' }).click();
    await expect.poll(() => page.evaluate(hash)).toBe('#at=asl:search');
    await expect
      .poll(() => page.locator('#level-title').textContent())
      .toBe('Groups of asl:search');
    await expect.poll(() => page.locator('nav').textContent()).toBe('All keysaslsearch');
    await page.goBack();
    await expect.poll(() => page.locator('nav [aria-current]').textContent()).toBe('asl');
    await page.locator('nav a', { hasText: 'All keys' }).click();
    await expect.poll(() => page.evaluate(firstCells('#groups'))).toContain('langextract');
    expect(complaints).toEqual([]);
  });

  it('is worked by keyboard alone: arrows, Enter, Escape, Backspace', async () => {
    const { page, complaints } = await browser.open(html);
    const press = (key: string) => page.keyboard.press(key);
    for (
      let step = 0;
      step < 12 && !(await page.evaluate(`document.activeElement.matches('.cell')`));
      step++
    )
      await press('Tab');
    await expect
      .poll(() => page.evaluate(focused))
      .toMatch(/^asl: 1\.1 GB, 66 % of this level, 282,540 keys, average /);
    await press('ArrowRight');
    await expect.poll(() => page.evaluate(focused)).toMatch(/^langextract: /);
    await expect.poll(() => page.locator('.readout').textContent()).toMatch(/^langextract: /);
    await press('ArrowDown');
    await expect.poll(() => page.evaluate(focused)).toMatch(/^bull: .* 100 % without TTL$/);
    await press('Enter');
    await expect.poll(() => page.evaluate(hash)).toBe('#at=bull');
    await expect.poll(() => page.evaluate(focused)).toMatch(/^bull:asl: /);
    await expect.poll(() => page.locator('#said').textContent()).toMatch(/^bull: 234 MB/);
    await press('Escape');
    await expect.poll(() => page.evaluate(hash)).toBe('');
    await expect.poll(() => page.evaluate(focused)).toMatch(/^bull: /);
    await press('Home');
    await press('Enter');
    await expect.poll(() => page.evaluate(focused)).toMatch(/^asl:pdf: /);
    await press('Backspace');
    await expect.poll(() => page.evaluate(focused)).toMatch(/^asl: /);
    expect(complaints).toEqual([]);
  });

  it('keeps the place, the area and the colour in the address', async () => {
    const { page } = await browser.open(html);
    await page.getByRole('radio', { name: 'Keys', exact: true }).check({ force: true });
    await page.getByRole('radio', { name: 'Average size' }).check({ force: true });
    await page.locator('#groups table a', { hasText: 'bull' }).click();
    await expect.poll(() => page.evaluate(hash)).toBe('#at=bull&size=keys&colour=average');
    await page.reload();
    await expect.poll(() => page.locator('nav [aria-current]').textContent()).toBe('bull');
    expect(await page.getByRole('radio', { name: 'Keys', exact: true }).isChecked()).toBe(true);
    await expect.poll(() => page.locator('#map').textContent()).toContain('95,001 · 97 %');
    await expect.poll(() => page.locator('#groups th[aria-sort]').textContent()).toBe('Keys');
  });

  it('begins at the top where the address names a group that is not there', async () => {
    const { page, complaints } = await browser.open(html, { hash: '#at=gone&size=__proto__' });
    await expect.poll(() => page.locator('nav').textContent()).toBe('All keys');
    expect(complaints).toEqual([]);
  });

  it('draws areas as the bytes are, and by bytes without TTL on demand', async () => {
    const { page } = await browser.open(html);
    const share = `(() => {
      const area = (box) => box.width * box.height;
      const cell = [...document.querySelectorAll('.cell')].find(({ title }) => title.startsWith('bull:'));
      return area(cell.getBoundingClientRect()) / area(document.querySelector('#map').getBoundingClientRect());
    })()`;
    const bull = report.tree.children.find(({ segment }) => segment === 'bull');
    expect(await page.evaluate(share)).toBeCloseTo(bull?.share ?? 0, 2);
    await page.getByRole('radio', { name: 'Bytes without TTL' }).check({ force: true });
    expect(await page.evaluate(share)).toBeCloseTo(
      (bull?.no_ttl_bytes ?? 0) / report.totals.no_ttl_bytes,
      2,
    );
  });

  it('sorts both tables', async () => {
    const { page } = await browser.open(html);
    const groups = page.locator('#groups');
    await groups.getByRole('button', { name: 'Average' }).click();
    await expect
      .poll(() => groups.locator('th[aria-sort=descending]').textContent())
      .toBe('Average');
    const averages = [...report.tree.children].sort((a, b) => b.average - a.average);
    await expect
      .poll(() => page.evaluate(firstCells('#groups')))
      .toEqual(averages.map(({ segment }) => segment));
    await groups.getByRole('button', { name: 'Group' }).click();
    await expect
      .poll(() => page.evaluate(firstCells('#groups')))
      .toEqual(['asl', 'bull', 'dc', 'idem', 'langextract', 'lock', 'ratelimit', 'session']);
    const keys = page.locator('#keys');
    await expect
      .poll(() => page.evaluate(`${firstCells('#keys')}[0]`))
      .toBe('bull:asl:title-screening:completed');
    await keys.getByRole('button', { name: 'Bytes' }).click();
    await expect.poll(() => keys.locator('th[aria-sort=ascending]').textContent()).toBe('Bytes');
    await expect.poll(() => page.evaluate(`${firstCells('#keys')}[0]`)).not.toContain('completed');
  });

  it('finds keys by type and by a part of the name, and copies a name', async () => {
    const { page, complaints } = await browser.open(html, {
      permissions: ['clipboard-read', 'clipboard-write'],
    });
    const keys = page.locator('#keys');
    await expect.poll(() => keys.locator('tbody tr').count()).toBe(50);
    await keys.getByRole('button', { name: /^Show/ }).click();
    await expect.poll(() => keys.locator('tbody tr').count()).toBe(100);
    await keys.getByLabel('Type').selectOption('stream');
    await expect.poll(() => keys.locator('tbody').textContent()).toContain('bull:mail:events');
    await keys.getByLabel('Type').selectOption('list');
    await keys.getByLabel('Name contains').fill('SESSION:1015838');
    await expect.poll(() => keys.locator('.found').textContent()).toBe('1 of 10 keys');
    await keys.getByRole('button', { name: 'Copy session:1015838' }).click();
    await page.locator('#said', { hasText: 'Copied' }).waitFor({ state: 'attached' });
    expect(await page.evaluate('navigator.clipboard.readText()')).toBe('session:1015838');
    expect(complaints).toEqual([]);
  });

  it('is dark or light as the system is, until the button says otherwise', async () => {
    const { page } = await browser.open(html, { colorScheme: 'dark' });
    const ground = () => page.evaluate('getComputedStyle(document.body).backgroundColor');
    const button = page.getByRole('button', { name: 'Dark theme' });
    const dark = await ground();
    expect(await button.getAttribute('aria-pressed')).toBe('true');
    await button.click();
    expect(await button.getAttribute('aria-pressed')).toBe('false');
    const light = await ground();
    expect(light).not.toBe(dark);
    await page.emulateMedia({ media: 'print', colorScheme: 'dark' });
    await expect.poll(() => page.locator('#theme').isVisible()).toBe(false);
  });
});
