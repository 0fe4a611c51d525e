import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { renderEvent } from '../../src/commands/drill/render.js';
import type { Block } from '../../src/output/blocks.js';
import { emit, emitLine } from '../../src/output/emit.js';
import { printable, status } from '../../src/output/format.js';
import { layOut } from '../../src/output/terminal.js';
import { type Overrides, runCli } from '../cli.js';

let folder: string;
/** What no terminal may get from us: ESC, the one-character CSI, BEL, and letters that turn the text around. */
const HOSTILE = '\u001b]0;owned\u0007\u001b[2J\u009b31m\u202eevil\r\n\tgap';
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not be there
const RAW = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e]/;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'cache-ops-output-'));
  writeFileSync(
    join(folder, 'cache-ops.yaml'),
    `redis:
  a-target-with-a-rather-long-name: { url: 'redis://127.0.0.1:1', control: { command: { stop: 'true', start: 'true' } } }
  another-target-with-a-long-name: { url: 'redis://127.0.0.1:1', control: { command: { stop: 'true', start: 'true' } } }
`,
  );
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const cli = (argv: string[], overrides: Overrides = {}) =>
  runCli(argv, { cwd: folder, env: { XDG_STATE_HOME: folder }, ...overrides });

/** The lines that are wider than the terminal though they could be broken at a space. */
const tooWide = (text: string, columns: number) =>
  text.split('\n').filter((line) => line.length > columns && line.trim().includes(' '));

/** Streams that are no terminal. */
function sink(quiet = false) {
  const out = { stdout: '', stderr: '' };
  const stream = (name: 'stdout' | 'stderr') => ({
    isTTY: false,
    columns: 80,
    write: (text: string) => {
      out[name] += text;
    },
  });
  const settings = { json: false, quiet, color: true, sandbox: false, timeout: 1 };
  return {
    out,
    context: { stdout: stream('stdout'), stderr: stream('stderr'), settings, env: {} },
  };
}

describe('colours', () => {
  const ping = (overrides: Overrides) => cli(['ping'], overrides);

  it('are there on a terminal', async () => {
    expect((await ping({ tty: true })).stdout).toContain('\u001b[');
  });

  it.each<[string, string[], Overrides]>([
    ['in a pipe', ['ping'], {}],
    ['with --no-color', ['ping', '--no-color'], { tty: true }],
    ['with NO_COLOR', ['ping'], { tty: true, env: { XDG_STATE_HOME: '/nowhere', NO_COLOR: '1' } }],
    ['in JSON', ['ping', '--json'], { tty: true }],
  ])('are not there %s', async (_, argv, overrides) => {
    const { stdout, stderr } = await cli(argv, overrides);
    expect(stdout + stderr).toContain('127.0.0.1:1');
    expect(stdout + stderr).not.toMatch(RAW);
  });
});

describe('a narrow terminal', () => {
  it.each([40, 80, 120])('of %i columns gets no line that is wider', async (columns) => {
    for (const argv of [['drill', 'list'], ['ping'], ['sandbox', 'status']]) {
      const { stdout } = await cli([...argv, '--no-color'], { tty: true, columns });
      expect(stdout).not.toBe('');
      expect(tooWide(stdout, columns)).toEqual([]);
    }
  });

  it('shows one field a line where columns would be too narrow, and loses nothing', () => {
    const address = `http://127.0.0.1:1/${'x'.repeat(50)}`;
    const row = ['redis', status('running', 'ok'), 12_345, address];
    const block = { table: { columns: ['process', 'status', 'pid', 'address'], rows: [row, row] } };
    const text = layOut([block], { columns: 40, color: false });
    expect(tooWide(text, 40)).toEqual([]);
    expect(text.replace(/\s/g, '')).toBe(
      `processredisstatusrunningpid12345address${address}`.repeat(2),
    );
  });

  it('keeps such a row one empty line apart from what follows, and ends with none', () => {
    const table = { columns: ['name', 'status', 'why'], rows: [['redis', 'ok', 'a long reason']] };
    const row = 'name    redis\nstatus  ok\nwhy     a long reason\n';
    const at = { columns: 24, color: false };
    expect(layOut([{ table }, { note: 'a remark' }], at)).toBe(`${row}\na remark\n`);
    expect(layOut([{ table }, { table }], at)).toBe(`${row}\n${row}`);
  });

  it('breaks in a table what is longer than its column, and loses nothing', () => {
    const path = '/a-path/without-a-space/'.repeat(4);
    const rows = [
      ['start', `run ${path}`, 1],
      ['stop', path, 22],
    ];
    const block = { table: { columns: ['what', 'how', 'pid'], rows } };
    for (const columns of [32, 50, 64, 80]) {
      const text = layOut([block], { columns, color: false });
      expect(text.split('\n').filter((line) => line.length > columns)).toEqual([]);
      const letters = (some: string) => [...some.replace(/\s/g, '')].sort().join('');
      const heads = text.startsWith('what   how') ? 1 : rows.length;
      expect(letters(text)).toBe(letters('whathowpid'.repeat(heads) + rows.flat().join('')));
    }
  });

  it('cuts nothing off that is wider than it is long', () => {
    const rows = [
      ['キャッシュ', 1],
      ['key', 2],
    ];
    const block = { table: { columns: ['key', 'size'], rows } };
    expect(layOut([block], { columns: 80, color: false })).toBe(
      'key         size\nキャッシュ     1\nkey            2\n',
    );
  });

  it('shows a pair of columns as a list of names with their values', () => {
    const rows = [
      ['stop', 'SIGTERM to process 1'],
      ['back at the latest after', '3 m'],
    ];
    const block = { table: { columns: ['what', 'how'], rows } };
    expect(layOut([block, { note: 'a remark' }], { columns: 24, color: false })).toBe(
      'stop\n  SIGTERM to process 1\nback at the latest after\n  3 m\na remark\n',
    );
  });

  it('aligns a column to the right only when all of it are numbers', () => {
    const rows = [
      ['text', 1],
      [5, 20],
      [null, null],
    ];
    const block = { table: { columns: ['mixed', 'number'], rows } };
    expect(layOut([block], { columns: 80, color: false })).toBe(
      'mixed  number\ntext        1\n5          20\n-           -\n',
    );
  });

  it('breaks a remark at spaces only, so that a path or a command in it can be copied', () => {
    const path = `/a/${'long/'.repeat(20)}path`;
    const text = layOut([{ note: `Its configuration is, as was said before, this: ${path}` }], {
      columns: 40,
      color: false,
    });
    expect(tooWide(text, 40)).toEqual([]);
    expect(text.split('\n')).toContain(path);
  });
});

describe('in a pipe', () => {
  const blocks: Block[] = [
    {
      title: 'left out',
      table: {
        columns: ['a', 'b'],
        rows: [
          ['1\t2\n3', { value: 5, text: '5 B' }],
          [null, true],
        ],
      },
    },
    { note: 'a remark' },
  ];

  it('a table is tab-separated raw values, one row a line; a remark goes to stderr', async () => {
    const { out, context } = sink();
    await emit(context, undefined, () => blocks);
    expect(out).toEqual({ stdout: '1\\t2\\n3\t5\n\ttrue\n', stderr: 'a remark\n' });
  });

  it('--quiet drops the remark', async () => {
    const { out, context } = sink(true);
    await emit(context, undefined, () => blocks);
    expect(out.stderr).toBe('');
  });
});

describe('hostile characters never reach the terminal raw', () => {
  it('from an argument, in an error', async () => {
    for (const argv of [
      [HOSTILE],
      ['ping', HOSTILE],
      ['ping', `--${HOSTILE}`],
      ['help', HOSTILE],
    ]) {
      const { code, stdout, stderr } = await cli(argv, { tty: true });
      expect(code).toBe(2);
      expect(stdout + stderr).not.toMatch(RAW);
      expect(stderr).toContain('\\x1b');
    }
  });

  it('from an argument, in a JSON error that still reads back as it was', async () => {
    const { stderr } = await cli(['ping', HOSTILE, '--json'], { tty: true });
    expect(stderr).not.toMatch(RAW);
    expect(JSON.parse(stderr).error.message).toContain(HOSTILE);
  });

  it('from the configuration: a name, a key, a value', async () => {
    const file = join(folder, 'hostile.json');
    const name = { redis: { [HOSTILE]: 'redis://127.0.0.1:1' } };
    const key = { redis: { main: { url: 'redis://127.0.0.1:1', [HOSTILE]: 1 } } };
    const value = { redis: { main: { url: 'redis://127.0.0.1:1', capacity: HOSTILE } } };
    for (const config of [name, key, value]) {
      writeFileSync(file, JSON.stringify(config));
      for (const json of [[], ['--json']]) {
        const outcome = await cli(['ping', '-c', file, ...json], { tty: true });
        expect(outcome.code).toBe(2);
        expect(outcome.stdout + outcome.stderr).not.toMatch(RAW);
      }
    }
  });

  it('from a result: in a table, a title, a remark, wide or narrow', () => {
    const blocks: Block[] = [
      { title: HOSTILE, table: { columns: ['key', 'size'], rows: [[HOSTILE, 1]] } },
      { note: HOSTILE },
    ];
    for (const columns of [20, 80]) {
      expect(layOut(blocks, { columns, color: false })).not.toMatch(RAW);
    }
    expect(printable(HOSTILE)).not.toMatch(RAW);
  });

  it('from a result as JSON, which still reads back as it was', async () => {
    const { out, context } = sink();
    context.settings.json = true;
    await emit(context, { [HOSTILE]: HOSTILE }, () => []);
    emitLine(context, { type: 'item', [HOSTILE]: HOSTILE });
    expect(out.stdout).not.toMatch(RAW);
    const [one = '', line = ''] = out.stdout.split('\n');
    expect(JSON.parse(one)).toEqual({ [HOSTILE]: HOSTILE });
    expect(JSON.parse(line)).toEqual({ type: 'item', [HOSTILE]: HOSTILE });
  });

  it('from what an application said in a drill, whose lines are broken at the width', () => {
    const event = { at: 1_234, phase: 'prepare', message: `it said ${HOSTILE} and more` } as const;
    for (const columns of [40, 80]) {
      const text = renderEvent(event, columns);
      expect(text).not.toMatch(RAW);
      expect(text.split('\n').filter((line) => line.length > columns)).toEqual([]);
    }
  });

  it('from the journal of an open drill', async () => {
    const state = mkdtempSync(join(tmpdir(), 'cache-ops-output-'));
    const { mkdirSync } = await import('node:fs');
    const open = join(state, 'cache-ops', 'drills', 'open', 'x');
    mkdirSync(open, { recursive: true });
    const journal = { drill: HOSTILE, target: HOSTILE, phase: 'injecting' };
    writeFileSync(join(open, 'journal.json'), JSON.stringify(journal));
    const { stderr } = await cli(['drill', 'list'], { tty: true, env: { XDG_STATE_HOME: state } });
    rmSync(state, { recursive: true, force: true });
    expect(stderr).toContain('a drill is open');
    expect(stderr).not.toMatch(RAW);
  });
});
