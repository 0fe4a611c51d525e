import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { PageData } from '../../src/memory/html/data.js';
import { nextCell } from '../../src/memory/html/page/navigate.js';
import { squarify } from '../../src/memory/html/page/squarify.js';
import { renderHtml } from '../../src/memory/html/render.js';
import { type Report, reportSchema } from '../../src/memory/report.js';
import { HOSTILE, hostileReport, RAW } from './hostile.js';
import { manyKinds, sampleReport, sampleTrend } from './report-sample.js';

const dataOf = (page: string): PageData =>
  JSON.parse(page.match(/<script type="application\/json" id="data">(.*?)<\/script>/s)?.[1] ?? '');
/** The page without its own script, style and data. */
const markupOf = (page: string) =>
  page
    .replace(/<script>.*?<\/script>/s, '')
    .replace(/<style>.*?<\/style>/s, '')
    .replace(/<script type.*?<\/script>/s, '');

it('the sample is a report', () => {
  expect(reportSchema.safeParse(sampleReport()).error).toBeUndefined();
});

describe('the page', () => {
  const report = sampleReport();
  const page = renderHtml(report, sampleTrend(report, 6));

  it('allows its own script and style by their hashes, and nothing else', () => {
    const policy = page.match(/http-equiv="Content-Security-Policy" content="([^"]*)"/)?.[1];
    const hash = (tag: string) => {
      const text = page.match(new RegExp(`<${tag}>(.*?)</${tag}>`, 's'))?.[1] ?? '';
      return `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
    };
    expect(policy).toBe(
      `default-src 'none'; style-src ${hash('style')}; script-src ${hash('script')}; base-uri 'none'; form-action 'none'`,
    );
  });

  it('refers to nothing outside of itself', () => {
    expect(markupOf(page).match(/\s(src|href|srcset|action|poster|style|on\w+)=/i)).toBeNull();
    expect(page.match(/<(link|iframe|img|object|embed|base|form)\b/i)).toBeNull();
    const addresses = page.match(/\b\w+:\/\/[^\s"'`<)]*/g) ?? [];
    // A name of XML's, which no browser asks for.
    expect(new Set(addresses)).toEqual(new Set(['http://www.w3.org/2000/svg']));
    expect(
      page.match(/url\(|@import|\bimport\(|\bfetch\(|XMLHttpRequest|sendBeacon|WebSocket/),
    ).toBeNull();
  });

  it('closes every element that it opens', () => {
    const open: string[] = [];
    const empty = new Set(['meta', 'rect', 'path']);
    for (const [tag, closes, name = ''] of markupOf(page).matchAll(
      /<(\/?)([a-z][a-z0-9]*)\b[^>]*>/g,
    )) {
      if (empty.has(name)) continue;
      if (closes) expect(`${tag} after ${open.pop()}`).toBe(`${tag} after ${name}`);
      else open.push(name);
    }
    expect(open).toEqual([]);
  });

  it('says what the figures are: target, time, source, basis', () => {
    expect(page).toContain('<h1><bdi>main</bdi></h1>');
    expect(page).toContain('2026-03-01 04:10 UTC');
    expect(page).toContain('read from the running server');
    expect(page).toContain('Sizes are by MEMORY USAGE with 2,000 samples a key.');
    expect(page).not.toContain('class="warning">Partial');
  });

  it('has every figure of the tree and of the keys', () => {
    const { nodes, keys, top, byType } = dataOf(page);
    const patterns = nodes.map(([, pattern]) => pattern);
    expect(patterns).toContain('bull:asl:title-screening:{id}');
    const at = patterns.indexOf('asl:llm:{id}');
    expect(nodes[at]?.slice(1, 5)).toEqual(['asl:llm:{id}', '{id}', 182_400, 182_400 * 2_350]);
    expect(patterns[nodes[at]?.[0] ?? -1]).toBe('asl:llm');
    expect(top.map((place) => keys[place]?.key)).toEqual(report.top.map(({ key }) => key));
    for (const [type, places] of byType)
      expect(places.map((place) => keys[place])).toEqual(report.top_by_type[type]);
    expect(new Set(keys.map(({ key }) => key)).size).toBe(keys.length);
  });

  it('is loud about what it does not cover', () => {
    const text = renderHtml(
      sampleReport(undefined, {
        partial: 'interrupted after 12 s',
        sampled: { part: 1, of: 16 },
        sizes_by: 'estimate',
        filter: { match: 'asl:*', type: null, db: 2, over: null },
        totals: { ...report.totals, unreadable: 7 },
      }),
    );
    for (const said of [
      'Partial: this report does not hold every key. Interrupted after 12 s.',
      'Sampled: 1/16 of the key space',
      'Filtered: only keys of names that match asl:*, database 2.',
      '7 keys could not be read',
      'Sizes are estimates',
    ])
      expect(text).toContain(said);
  });
});

describe('the trend', () => {
  const report = sampleReport();

  it('is shown from two reports on, the latest first in its table', () => {
    expect(renderHtml(report)).not.toContain('id="trend-title"');
    expect(renderHtml(report, [report])).not.toContain('id="trend-title"');
    const page = renderHtml(report, sampleTrend(report, 1));
    expect(page).toContain('id="trend-title"');
    expect(page.indexOf('2026-03-01 04:10 UTC</th>')).toBeLessThan(
      page.indexOf('2026-02-28 04:10 UTC</th>'),
    );
    expect(page).toMatch(/\+\d+ MB/);
  });

  it('draws reports of one moment and of one size', () => {
    const page = renderHtml(report, [{ ...report, id: 'twin' }]);
    expect(page).toContain('id="trend-title"');
    expect(page.match(/NaN|Infinity|undefined/)).toBeNull();
  });
});

describe('names of an attacker', () => {
  const report = hostileReport();
  const page = renderHtml(report, [{ ...report, id: 'earlier' }]);

  it('are text everywhere: no element, no attribute, no end of the data', () => {
    expect(page.match(/<script/g)).toHaveLength(2);
    expect(page.match(/<\/script/g)).toHaveLength(2);
    expect(page.match(/<style/g)).toHaveLength(1);
    expect(page.match(/<(img|!--)|owned<\/h1>/)).toBeNull();
    expect(markupOf(page).match(/<[^>]*\son\w+="/)).toBeNull();
    expect(page.match(RAW)).toBeNull();
  });

  it('are whole again for the script of the page', () => {
    const { keys, top } = dataOf(page);
    expect(top.map((place) => keys[place]?.key)).toEqual(HOSTILE);
  });

  it('of a megabyte are cut, and said to be', () => {
    const [key] = report.top;
    if (!key) throw new Error('no key');
    const long: Report = {
      ...report,
      top: [{ ...key, key: 'x'.repeat(1 << 20), key_base64: 'eA==' }],
    };
    const { keys, top } = dataOf(renderHtml(long));
    expect(keys[top[0] ?? -1]).toMatchObject({ key: 'x'.repeat(2_048), cut: 1 << 20 });
    expect(keys[top[0] ?? -1]).not.toHaveProperty('key_base64');
  });
});

describe('a large report', () => {
  it('of 20,000 groups makes a page of a few megabytes', () => {
    const page = renderHtml(sampleReport(manyKinds(9_900)));
    expect(dataOf(page).nodes.length).toBe(20_001);
    expect(page.length).toBeLessThan(4 << 20);
  });

  it('may be as deep as a key has parts', () => {
    const pattern = Array.from({ length: 1_000 }, (_, part) => `p${part}`).join(':');
    expect(dataOf(renderHtml(sampleReport([{ pattern, keys: 1, average: 9 }]))).nodes).toHaveLength(
      1_001,
    );
  });
});

describe('the areas of the map', () => {
  it('are as the values are, fill the map, and do not overlap', () => {
    const values = [60, 25, 9, 3, 2, 1, 0];
    const boxes = squarify(values, 2.4);
    const areas = boxes.map(({ width, height }) => width * height * 100);
    for (const [index, value] of values.entries()) expect(areas[index]).toBeCloseTo(value, 6);
    for (const [index, a] of boxes.entries()) {
      expect(a.x + a.width).toBeLessThan(1 + 1e-9);
      expect(a.y + a.height).toBeLessThan(1 + 1e-9);
      for (const b of boxes.slice(index + 1)) {
        const wide = Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x);
        const high = Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y);
        expect(Math.min(wide, high)).toBeLessThan(1e-9);
      }
    }
  });

  it('are nearly square for like values, and none for none', () => {
    for (const { width, height } of squarify(Array(64).fill(1), 1.5)) {
      const ratio = (width * 1.5) / height;
      expect(Math.max(ratio, 1 / ratio)).toBeLessThan(2);
    }
    expect(squarify([0, 0], 2).map(({ width, height }) => width * height)).toEqual([0, 0]);
    expect(squarify([], 2)).toEqual([]);
  });
});

describe('the arrow keys', () => {
  const cellsOf = (values: number[]) => squarify(values, 2).map((box, index) => ({ box, index }));

  it('lead to what touches the side, the largest first', () => {
    const cells = cellsOf([50, 20, 15, 10, 5]);
    const next = (key: string, from: number) => nextCell(key, cells[from] as never, cells)?.index;
    expect([next('ArrowRight', 0), next('ArrowLeft', 1), next('ArrowLeft', 0)]).toEqual([
      1,
      0,
      undefined,
    ]);
    expect([next('Home', 3), next('End', 0), next('a', 0)]).toEqual([0, 4, undefined]);
  });

  it.each([2, 7, 40, 121])('reach every one of %i cells', (count) => {
    const cells = cellsOf(Array.from({ length: count }, (_, index) => 1_000 / (index + 1) ** 1.3));
    const seen = new Set(cells.slice(0, 1));
    for (const cell of seen)
      for (const key of ['ArrowUp', 'ArrowDown', 'ArrowLeft', 'ArrowRight']) {
        const next = nextCell(key, cell, cells);
        if (next) seen.add(next);
      }
    expect(seen.size).toBe(count);
  });
});
