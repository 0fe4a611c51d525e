import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Report } from '../../src/memory/report.js';
import { reportId, storeReport } from '../../src/memory/store.js';
import type { ReportMeta } from '../../src/memory/to-report.js';
import type { KeyFact } from '../../src/redis/key-fact.js';
import { openState } from '../../src/state/folder.js';
import { type Overrides, runCli } from '../cli.js';
import { estate, fact, reportOf, tallyOf } from './keys.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cache-ops-test-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const cli = (line: string, over: Overrides = {}) =>
  runCli(line.split(' '), { env: { XDG_STATE_HOME: folder, NO_COLOR: '1' }, cwd: folder, ...over });

let minute = 0;
/** Stores a report of these keys, a minute after the one before. */
function store(facts: KeyFact[], over: Partial<ReportMeta> = {}): Report {
  minute += 1;
  const head = {
    at: new Date(Date.UTC(2026, 0, 5, 0, minute)).toISOString(),
    target: 'main',
    ...over,
  };
  const report = reportOf(tallyOf(facts), { ...head, id: reportId(head) });
  storeReport(openState({ XDG_STATE_HOME: folder }), report);
  return report;
}

const NASTY = [
  '=1+1',
  '+a',
  '-b',
  '@c',
  'a,b',
  'say "hi"',
  'two\nlines',
  '\x1b[2J\x07',
  'tab\there',
  '\u202ereversed',
];

describe('stored reports', () => {
  it('are found by id, its beginning, last, previous, target and file', async () => {
    const old = store([fact('a')], { target: 'main' });
    const other = store([fact('a')], { target: 'other' });
    const last = store([fact('a')], { target: 'main' });
    const file = join(folder, 'mine.json');
    writeFileSync(file, JSON.stringify({ ...old, id: 'from-a-file' }));
    const shown = async (name: string) =>
      JSON.parse((await cli(`memory show ${name} --json`)).stdout).id;
    expect(await shown(old.id)).toBe(old.id);
    expect(await shown(other.id.slice(0, 18))).toBe(other.id);
    expect(await shown('last')).toBe(last.id);
    expect(await shown('previous')).toBe(old.id);
    expect(await shown('other')).toBe(other.id);
    expect(await shown('main')).toBe(last.id);
    expect(await shown('mine.json')).toBe('from-a-file');
    expect(await shown(file)).toBe('from-a-file');
    expect(JSON.parse((await cli('memory show --json')).stdout)).toEqual(last);
  });

  it('say what is wrong with a name', async () => {
    expect(await cli('memory show')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('none is stored'),
    });
    store([fact('a')]);
    store([fact('a')]);
    expect(await cli('memory show nope')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('memory reports lists'),
    });
    expect(await cli('memory show 2026')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('beginning of 2'),
    });
    writeFileSync(join(folder, 'x.json'), '{"format":2}');
    expect(await cli('memory show x.json')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('no memory report'),
    });
  });

  it('are listed, the newest first, with what makes them less than whole', async () => {
    store([fact('a')]);
    store([fact('a')], { partial: 'interrupted' });
    store([fact('a')], { sampled: { part: 1, of: 16 } });
    const { stdout } = await cli('memory reports');
    expect(
      stdout
        .trimEnd()
        .split('\n')
        .map((line) => line.split('\t').at(-1)),
    ).toEqual(['sample 1/16', 'partial', 'whole']);
    expect(JSON.parse((await cli('memory reports nobody --json')).stdout)).toEqual({ reports: [] });
  });

  it('are as many as fifty, and the oldest go', async () => {
    for (let n = 0; n < 53; n += 1) store([fact('a')]);
    expect(readdirSync(join(folder, 'cache-ops', 'memory', 'reports'))).toHaveLength(50);
  });
});

describe('a report on a terminal', () => {
  const facts = [
    ...estate(5_000, 1),
    fact('config:all', { type: 'hash', bytes: 3e6, elements: 200_000, encoding: 'hashtable' }),
    ...NASTY.map((key, n) => fact(key, { bytes: 2e6 + n })),
    fact('', { key: '\xff\xfe\x00', bytes: 4e6 }),
    fact('tiny:one'),
    ...estate(2_000, 2).map((each) => ({ ...each, key: `outer:${each.key}` })),
    fact('long'.repeat(1_000), { bytes: 4e6 }),
  ];

  it.each([100, 80, 40])(
    'fits into %i columns, and nothing in it obeys an escape',
    async (columns) => {
      store(facts);
      const { stdout } = await cli('memory show', { tty: true, columns });
      // Commands stay whole, to be copied.
      const lines = stdout.split('\n').filter((line) => !line.startsWith('  $ '));
      expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(columns);
      // biome-ignore lint/suspicious/noControlCharactersInRegex: that there are none is the point
      expect(stdout).not.toMatch(/[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]/);
      expect(stdout).toContain('asl:llm:{id}');
      // A name that is broken begins on the line of its figures, indented as it is.
      expect(stdout).toMatch(/^ {2}langextract:[^ ]* +[\d.]+ [KM]B/m);
      expect(stdout).toMatch(/\(\d+ under 1 %\)/);
      expect(stdout).toContain('$ cache-ops memory key config:all');
    },
  );

  it('is as deep as asked for', async () => {
    store(estate(5_000, 1));
    const shallow = (await cli('memory show --depth 1', { tty: true, columns: 100 })).stdout;
    const deep = (await cli('memory show --depth 2', { tty: true, columns: 100 })).stdout;
    expect(shallow).not.toMatch(/^ {2}logs /m);
    expect(deep).toMatch(/^ {2}logs /m);
  });

  it('says first what it does not hold', async () => {
    store(estate(2_000, 1), {
      partial: 'interrupted by SIGINT',
      sampled: { part: 1, of: 16 },
      filter: { match: 'a*', type: null, db: 0, over: 10_240 },
    });
    const { stdout } = await cli('memory show', { tty: true, columns: 120 });
    expect(stdout.split('\n').slice(0, 3).join('\n')).toMatch(
      /^PARTIAL: interrupted by SIGINT[\s\S]*SAMPLE of 1\/16[\s\S]*Only keys of --match a\* --db 0 --over 10 KB/,
    );
    expect(stdout).toMatch(/\d MB - \d+ MB/);
  });

  it('of no key says so', async () => {
    store([]);
    expect((await cli('memory show', { tty: true })).stdout).toContain('There is no key.');
  });
});

describe('a report for programs', () => {
  const facts = [...estate(2_000, 1), ...NASTY.map((key, n) => fact(key, { bytes: 2e6 - n }))];

  it('in a pipe is a line of TSV a group, the whole tree', async () => {
    const report = store(facts);
    const { stdout } = await cli('memory show');
    const rows = fieldsOf(stdout);
    expect(new Set(rows.map((row) => row.length))).toEqual(new Set([15]));
    const top = rows.filter((row) => row[9] === '1');
    expect(top.reduce((sum, row) => sum + Number(row[1]), 0)).toBe(report.totals.bytes);
  });

  it('as CSV is read back by a program, and is no formula to a spreadsheet', async () => {
    store(facts);
    const { stdout } = await cli('memory show --format csv --list keys');
    // biome-ignore lint/suspicious/noControlCharactersInRegex: that there are none is the point
    expect(stdout).not.toMatch(/[\x00-\x09\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e]/);
    const [header, ...rows] = parseCsv(stdout);
    expect(header?.slice(0, 3)).toEqual(['key', 'bytes', 'type']);
    expect(rows).toHaveLength(100);
    const read = rows.slice(0, NASTY.length).map((row) => {
      const base64 = row[10] as string;
      const text = (row[0] as string).replace(/^'(?=[=+@-])/, '');
      return base64 === '' ? text : Buffer.from(base64, 'base64').toString();
    });
    expect(read).toEqual(NASTY);
    for (const [key] of rows) expect(key).not.toMatch(/^[=+\-@\t\r]/);
    const groups = parseCsv((await cli('memory show --format csv')).stdout);
    expect(groups.some(([group]) => group === 'asl:llm:{id}')).toBe(true);
  });

  it('as NDJSON is a line a group and a key, and the report at the end, which is a report again', async () => {
    const report = store(facts);
    const { stdout } = await cli('memory show --format ndjson');
    const lines = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines.filter(({ key }) => key)).toHaveLength(report.top.length);
    expect(lines.at(-1)).toEqual({ type: 'summary', ...report });
    expect(lines.slice(0, -1).every(({ type }) => type === 'item')).toBe(true);
    writeFileSync(join(folder, 'lines.ndjson'), stdout);
    expect(JSON.parse((await cli('memory show lines.ndjson --json')).stdout)).toEqual(report);
  });

  it('refuses a format that there is not', async () => {
    store([fact('a')]);
    expect(await cli('memory show --format xml')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('ndjson'),
    });
    expect(await cli('memory show --list all')).toMatchObject({ code: 2 });
  });
});

describe('memory diff', () => {
  it('compares the last two reports of a target, and exits 0', async () => {
    store(estate(2_000, 1));
    store([fact('z')], { target: 'other' });
    store([
      ...estate(2_000, 1),
      ...Array.from({ length: 500 }, (_, n) => fact(`new\u009b2J:${n}`)),
    ]);
    const result = await cli('memory diff main previous --json');
    expect(result.code).toBe(0);
    const { stdout, code } = await cli('memory diff', { tty: true, columns: 80 });
    expect(code).toBe(0);
    expect(stdout).toMatch(/new\\x9b2J:\{id\} +new +\+49 KB +\+500/);
    expect(stdout).not.toContain('\u009b');
    const piped = fieldsOf((await cli('memory diff')).stdout);
    expect(new Set(piped.map((row) => row.length))).toEqual(new Set([11]));
    expect(piped[0]?.at(-1)).toBe('total');
  });

  it('limits the lists, and says how much is left', async () => {
    store([]);
    store(Array.from({ length: 10 }, (_, n) => fact(`${'abcdefghij'[n]}:x`, { bytes: n + 50 })));
    const { stdout } = await cli('memory diff --limit 3', { tty: true, columns: 100 });
    expect(stdout).toContain('and 7 smaller changes');
    expect((await cli('memory diff --limit 0', { tty: true })).stdout).not.toContain(
      'smaller changes',
    );
  });

  it('is loud about a report that is not whole', async () => {
    store(estate(500, 1));
    store(estate(500, 1), { partial: 'interrupted' });
    const { stderr } = await cli('memory diff');
    expect(stderr).toContain('PARTIAL');
  });
});

const fieldsOf = (tsv: string): string[][] =>
  tsv
    .replace(/\n$/, '')
    .split('\n')
    .map((line) => line.split('\t'));

/** RFC 4180, strictly: CRLF, and quotes only around whole fields. */
function parseCsv(text: string): string[][] {
  const rows: string[][] = [];
  let row: string[] = [];
  const token = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n)/y;
  while (token.lastIndex < text.length) {
    const match = token.exec(text);
    if (!match) throw new Error('no CSV');
    row.push(match[1] === undefined ? (match[2] ?? '') : match[1].replaceAll('""', '"'));
    if (match[3] === '\r\n') rows.push(row);
    if (match[3] === '\r\n') row = [];
  }
  return rows;
}
