import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createContext } from '../../src/context.js';
import type { Io } from '../../src/io.js';
import { type Consent, consent } from '../../src/prompt.js';
import { type Estate, startEstate } from '../drills/estate.js';

const folder = mkdtempSync(join(tmpdir(), 'cache-ops-consent-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Scene {
  environment?: string;
  /** What is typed; undefined where there is no terminal, null for Ctrl-D. */
  typed?: string | null;
  given?: Consent;
  signal?: AbortSignal;
}

/** Asks for consent to a change of `main`; resolves to how it ended and what the terminal showed. */
async function ask({ environment = 'staging', typed, given = {}, signal }: Scene) {
  let shown = '';
  const terminal = typed !== undefined;
  const output = {
    isTTY: terminal,
    columns: 80,
    write: (text: string) => {
      shown += text;
    },
  };
  const stdin: ReturnType<Io['stdin']> = new PassThrough();
  stdin.isTTY = terminal;
  if (typed !== null && typed !== undefined) stdin.push(typed);
  if (typed === null) stdin.push(null);
  const context = createContext({
    stdout: output,
    stderr: output,
    stdin: () => stdin,
    env: { CACHE_OPS_ENVIRONMENT: environment, XDG_STATE_HOME: folder },
    cwd: folder,
    host: { pid: 1, uid: 1, execPath: '', entry: '', kill() {}, exit: () => expect.fail() },
    signal: signal ?? new AbortController().signal,
    now: Date.now,
  });
  const outcome = await consent(context, 'Stop \u001b[2Jmain?', 'main', given).then(
    () => 'agreed' as const,
    (error) => ({ code: error.code, exit: error.exit, message: error.message, hint: error.hint }),
  );
  return { outcome, shown };
}

const refused = { code: 'refused', exit: 6 };

describe('on a terminal', () => {
  it.each(['y\n', 'Y\n', 'yes\n', ' yes \n', 'y\r\n'])('%j is a yes', async (typed) => {
    const { outcome, shown } = await ask({ typed });
    expect(outcome).toBe('agreed');
    expect(shown).toBe('Stop \\x1b[2Jmain? [y/N] ');
  });

  it.each(['n\n', '\n', 'yess\n', 'main\n', 'nay y\n', null])('%j is a no', async (typed) => {
    expect((await ask({ typed })).outcome).toMatchObject({
      ...refused,
      message: 'not confirmed, nothing was changed',
    });
  });

  it('Ctrl-C while it waits is an interruption, and the next line begins at its beginning', async () => {
    const controller = new AbortController();
    const asking = ask({ typed: '', signal: controller.signal });
    controller.abort();
    const { outcome, shown } = await asking;
    expect(outcome).not.toBe('agreed');
    expect(shown).toMatch(/^$|\n$/);
  });

  it('--yes is not asked', async () => {
    expect(await ask({ typed: '', given: { yes: true } })).toEqual({
      outcome: 'agreed',
      shown: '',
    });
  });

  it('in production the name is typed', async () => {
    const environment = 'production';
    const right = await ask({ environment, typed: 'main\n' });
    expect(right.outcome).toBe('agreed');
    expect(right.shown).toContain("Type the target's name (main) to go on: ");
    for (const typed of ['y\n', 'yes\n', 'MAIN\n', 'mai\n', '\n', null]) {
      expect((await ask({ environment, typed })).outcome).toMatchObject(refused);
    }
    // --yes alone does not spare it.
    const given = { yes: true };
    expect((await ask({ environment, typed: 'n\n', given })).outcome).toMatchObject(refused);
  });
});

describe('without a terminal', () => {
  it('needs --yes', async () => {
    expect((await ask({ given: { yes: true } })).outcome).toBe('agreed');
    expect((await ask({})).outcome).toMatchObject({
      ...refused,
      hint: 'add --yes, or --dry-run to see what it would do',
    });
  });

  it('in production needs the name, and it must be the right one', async () => {
    const environment = 'production';
    expect((await ask({ environment, given: { confirm: 'main' } })).outcome).toBe('agreed');
    expect((await ask({ environment, given: { yes: true } })).outcome).toMatchObject({
      ...refused,
      hint: 'add --confirm main',
    });
    for (const given of [{ confirm: 'other' }, { confirm: '', yes: true }]) {
      expect((await ask({ environment, given })).outcome).toMatchObject({
        ...refused,
        hint: 'the target is main',
      });
    }
  });
});

describe('a drill in production', () => {
  let estate: Estate;
  beforeAll(async () => {
    estate = await startEstate({ head: 'environment: production' });
  });
  afterAll(() => estate.stop());

  it.each([
    [[], 'its name must be confirmed'],
    [['--yes'], 'its name must be confirmed'],
    [['--yes', '--confirm', 'mian'], "--confirm mian is not the target's name"],
  ])('with %j is refused with 6, and nothing is stopped', async (flags, reason) => {
    const { pid } = estate.redis;
    const outcome = await estate.run(['drill', 'redis-down', ...flags]);
    expect(outcome).toMatchObject({ code: 6, stdout: '' });
    expect(outcome.stderr).toContain(reason);
    expect(estate.redis.pid).toBe(pid);
    expect(await estate.answers()).toBe(true);
  });

  it('whose question is answered with no is refused with 6', async () => {
    const outcome = await estate.run(['drill', 'redis-down'], { tty: true, stdin: 'no\n' });
    expect(outcome.code).toBe(6);
    expect(outcome.stderr).toContain('not confirmed, nothing was changed');
    expect(await estate.answers()).toBe(true);
  });
});
