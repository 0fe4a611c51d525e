import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { type Overrides, runCli } from '../cli.js';

const folder = mkdtempSync(join(tmpdir(), 'cache-ops-usage-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const cli = (argv: string[], overrides: Overrides = {}) =>
  runCli(argv, { cwd: folder, env: { XDG_STATE_HOME: folder }, ...overrides });

describe('a wrong command line ends with 2, one line, and nothing on stdout', () => {
  it.each([
    [['pnig'], "cache-ops: unknown command 'pnig'\n  hint: Did you mean ping?\n"],
    [['help', 'pnig'], "cache-ops: unknown command 'pnig'\n  hint: Did you mean ping?\n"],
    [
      ['drill', 'redis-dwon'],
      "cache-ops: unknown command 'redis-dwon'\n  hint: Did you mean redis-down?\n",
    ],
    [
      ['ping', '--cuont', '3'],
      "cache-ops: unknown option '--cuont'\n  hint: Did you mean --count?\n",
    ],
    [['--nothing'], "cache-ops: unknown option '--nothing'\n"],
    [['ping', '--count'], "cache-ops: option '-n, --count <n>' argument missing\n"],
    [['__watchdog'], "cache-ops: missing required argument 'folder'\n"],
    [
      ['sandbox', 'status', 'extra'],
      "cache-ops: too many arguments for 'status'. Expected 0 arguments but got 1.\n",
    ],
    [
      ['ping', '--timeout', 'abc'],
      'cache-ops: --timeout: "abc" is not a duration\n  hint: write it as 500ms, 2s, 5m, 1h or 1d\n',
    ],
  ])('%j', async (argv, stderr) => {
    expect(await cli(argv)).toEqual({ code: 2, stdout: '', stderr });
  });

  it('takes the timeout of the environment as seriously as the flag', async () => {
    const outcome = await cli(['ping'], {
      env: { XDG_STATE_HOME: folder, CACHE_OPS_TIMEOUT: 'soon' },
    });
    expect(outcome.code).toBe(2);
    expect(outcome.stderr).toContain('"soon" is not a duration');
  });
});

describe('a topic without its command', () => {
  it.each([
    [[], 'Usage: cache-ops [options] [command]'],
    [['drill'], 'Usage: cache-ops drill [options] [command]'],
    [['sandbox'], 'Usage: cache-ops sandbox [options] [command]'],
  ])('cache-ops %j shows its help on stderr and ends with 2', async (argv, usage) => {
    const outcome = await cli(argv);
    expect(outcome.code).toBe(2);
    expect(outcome.stdout).toBe('');
    expect(outcome.stderr).toContain(usage);
    expect(outcome.stderr).toContain('Commands:');
    expect(outcome.stderr).not.toContain('outputHelp');
  });
});

describe('help that is asked for goes to stdout and ends with 0', () => {
  it.each([
    [['--help'], ['Usage: cache-ops [options] [command]', 'sandbox', 'Exit codes: 0 fine']],
    [['help'], ['Usage: cache-ops [options] [command]', 'Exit codes: 0 fine']],
    [
      ['help', 'ping'],
      ['Usage: cache-ops ping [options] [target...]', '--count', 'Examples:'],
    ],
    [
      ['ping', '--help'],
      ['Usage: cache-ops ping [options] [target...]', '--count'],
    ],
    [
      ['help', 'drill'],
      ['Usage: cache-ops drill [options] [command]', 'redis-down'],
    ],
    [
      ['help', 'sandbox', 'up'],
      ['Usage: cache-ops sandbox up', 'CACHE_OPS_REDIS_SERVER'],
    ],
    [
      ['sandbox', 'help', 'up'],
      ['Usage: cache-ops sandbox up', 'CACHE_OPS_REDIS_SERVER'],
    ],
  ])('cache-ops %j', async (argv, texts) => {
    const outcome = await cli(argv);
    expect(outcome).toMatchObject({ code: 0, stderr: '' });
    for (const text of texts) expect(outcome.stdout).toContain(text);
    expect(outcome.stdout).not.toContain('__watchdog');
  });

  it('and so does the version, which is the one of package.json', async () => {
    const { default: manifest } = await import('../../package.json', { with: { type: 'json' } });
    expect(await cli(['--version'])).toEqual({
      code: 0,
      stdout: `${manifest.version}\n`,
      stderr: '',
    });
  });
});

describe('with --json an error is one JSON object on stderr', () => {
  it.each([
    [['pnig'], 2, { code: 'usage', message: "unknown command 'pnig'", hint: 'Did you mean ping?' }],
    [['drill'], 2, { code: 'usage', message: 'a command is missing', hint: 'see --help' }],
    [['ping', '--nothing'], 2, { code: 'usage', message: "unknown option '--nothing'" }],
    [['ping'], 2, { code: 'config', message: 'no Redis is configured' }],
    [['ping', '--sandbox'], 2, { code: 'not_found', message: 'no sandbox is up' }],
  ])('%j', async (argv, code, error) => {
    const outcome = await cli([...argv, '--json']);
    expect(outcome).toMatchObject({ code, stdout: '' });
    expect(outcome.stderr.trim().split('\n')).toHaveLength(1);
    expect(JSON.parse(outcome.stderr)).toMatchObject({ error });
  });
});

it('a fault of the tool is said with its stack, the version, and that it is to be reported', async () => {
  const env = {
    get XDG_STATE_HOME(): string {
      throw new TypeError('broken \u001b[31mhere');
    },
  };
  const outcome = await cli(['ping'], { env });
  expect(outcome).toMatchObject({ code: 1, stdout: '' });
  const { default: manifest } = await import('../../package.json', { with: { type: 'json' } });
  expect(outcome.stderr).toMatch(/^cache-ops: broken \\x1b\[31mhere\n/);
  expect(outcome.stderr).toMatch(/\n {4}at .*usage\.test\.ts/);
  expect(outcome.stderr).toContain(`cache-ops ${manifest.version}; please report it`);
  expect(outcome.stderr).not.toContain('\u001b');
  const asJson = await cli(['ping', '--json'], { env });
  expect(asJson).toMatchObject({ code: 1, stdout: '' });
  expect(JSON.parse(asJson.stderr).error).toMatchObject({ code: 'unexpected' });
});
