import { html, type Markup } from '../../page/markup.js';
import { bar, tableSection } from '../../page/table.js';
import { bytesText, countText, spanText } from '../../words.js';
import type { Report } from '../report.js';

/** Histograms are tables with bars: each figure can be read, at any width and by any reader. */
export function histograms(report: Report): Markup[] {
  const ends = report.size_histogram.at(-1)?.up_to;
  return [
    histogram(
      'sizes',
      'Keys by size',
      'Up to',
      report.size_histogram.map(({ up_to: upTo, ...bucket }) => ({
        // The last bucket has no end; a report gives it the largest number.
        name: upTo === ends && upTo >= 2 ** 50 ? 'more' : bytesText(upTo),
        ...bucket,
      })),
    ),
    histogram(
      'ttls',
      'Keys by time to live',
      'Expires within',
      report.ttl_histogram.map(({ up_to_ms: upTo, ...bucket }) => ({
        name: ttlText(upTo),
        ...bucket,
      })),
    ),
  ];
}

function ttlText(ms: number | null): string {
  if (ms === null) return 'never';
  return ms >= 2 ** 50
    ? 'later'
    : spanText(ms)
        .replace(/(\D)0[smh]\b/, '$1')
        .trim();
}

interface Bucket {
  name: string;
  keys: number;
  bytes: number;
}

function histogram(id: string, title: string, first: string, buckets: readonly Bucket[]): Markup {
  const most = {
    keys: Math.max(1, ...buckets.map(({ keys }) => keys)),
    bytes: Math.max(1, ...buckets.map(({ bytes }) => bytes)),
  };
  return tableSection(
    id,
    title,
    [{ name: first }, { name: 'Keys', number: true }, { name: 'Bytes', number: true }],
    buckets.map(({ name, keys, bytes }) => [
      name,
      html`${bar(keys / most.keys)}${countText(keys)}`,
      html`${bar(bytes / most.bytes)}${bytesText(bytes)}`,
    ]),
  );
}
