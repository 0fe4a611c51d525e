import type { Report } from '../../src/memory/report.js';
import { sampleReport } from './report-sample.js';

/** Names that try to become markup, script, another line, another direction or another attribute. */
export const HOSTILE = [
  '<img src=x onerror=alert(1)>',
  '</script><script>alert(2)</script>',
  '<!--<script>',
  `" onfocus="alert(3)" autofocus x='`,
  '</style><style>*{display:none}',
  '</title><h1>owned</h1>',
  'javascript:alert(4)',
  'line\u2028and\u2029feed\nnew\ttab',
  '\u001b]0;owned\u0007\u001b[2J\u009b31m',
  'user\u202egnp.exe\u202c',
  'nul\u0000byte',
  'half\ud83dpair',
  'zero\u200bwidth\ufeff',
  '&lt;b&gt;&amp;',
  '${alert(5)}',
  '__proto__',
  '{{constructor.constructor("alert(6)")()}}',
  '🎉 ünïcode مرحبا',
];

/** What must not be in the page as itself. */
export const RAW =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what is looked for
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]/;

/** A report where every text of a server's or a user's is such a name. */
export function hostileReport(): Report {
  const report = sampleReport(
    HOSTILE.map((name, index) => ({
      pattern: `${name.replaceAll(':', ';')}:{id}`,
      keys: 100 + index,
      average: 2_000,
      noTtl: (index % 3) / 2,
      type: name,
    })),
  );
  const everything = HOSTILE.join(' ');
  return {
    ...report,
    id: everything,
    target: everything,
    partial: everything,
    filter: { match: everything, type: everything, db: 3, over: 10_240 },
    servers: HOSTILE.map((address) => ({
      address,
      dbsize: null,
      keys: 1,
      bytes: 1,
      used_memory: null,
    })),
    top: HOSTILE.map((key, index) => ({
      server: key,
      db: index,
      key,
      ...(index === 3 && { key_base64: 'IiBvbg==' }),
      type: key,
      encoding: key,
      bytes: 5_000 - index,
      elements: null,
      ttl_ms: null,
      idle_s: 5,
      frequency: null,
    })),
  };
}
