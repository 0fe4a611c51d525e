import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { audit } from '../../src/state/audit.js';
import { createDurably, openState, writeDurably } from '../../src/state/folder.js';
import { type Estate, startEstate } from '../drills/estate.js';
import { mountSmall } from '../servers/disk.js';

const folder = mkdtempSync(join(tmpdir(), 'cache-ops-state-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('a state folder that takes no writes', () => {
  let estate: Estate;
  const full = join(folder, 'full');
  const mounted = mountSmall(full);
  beforeAll(async () => {
    estate = await startEstate();
  });
  afterAll(async () => {
    if (mounted) execFileSync('umount', [full]);
    await estate.stop();
  });

  /** A drill must end with 1 and one clear line before it has touched anything. */
  async function refusesToDrill(state: string, reason: string) {
    const { pid } = estate.redis;
    const outcome = await estate.run(['drill', 'redis-down', '--yes'], {
      env: { ...estate.env, XDG_STATE_HOME: state },
    });
    expect(outcome).toMatchObject({ code: 1, stdout: '' });
    expect(outcome.stderr).toMatch(
      new RegExp(
        `^cache-ops: cannot write ${state}/.*: ${reason}.*\n {2}hint: .*XDG_STATE_HOME.*\n$`,
      ),
    );
    expect(estate.redis.pid).toBe(pid);
    expect(await estate.answers()).toBe(true);
  }

  it('since a file is in its place: no drill', async () => {
    const file = join(folder, 'file');
    writeFileSync(file, '');
    await refusesToDrill(file, 'ENOTDIR');
  });

  it('but commands that need no state work', async () => {
    const env = { ...estate.env, XDG_STATE_HOME: join(folder, 'file') };
    expect(await estate.run(['ping'], { env })).toMatchObject({ code: 0, stderr: '' });
    expect(await estate.run(['drill', 'status'], { env })).toMatchObject({ code: 0 });
  });

  it.skipIf(!mounted)('since the disk is full: no drill', async () => {
    try {
      writeFileSync(join(full, 'filler'), Buffer.alloc(1024 * 1024));
    } catch {
      // It is as full as can be.
    }
    await refusesToDrill(full, 'the disk is full');
    expect(filesBelow(full)).toEqual(['filler']);
  });
});

describe('the state folder', () => {
  const of = (env: Record<string, string>) => openState(env).folder;

  it('is $XDG_STATE_HOME/cache-ops, by default below the home', () => {
    expect(of({ XDG_STATE_HOME: '/somewhere', HOME: '/home/me' })).toBe('/somewhere/cache-ops');
    for (const given of [{}, { XDG_STATE_HOME: '' }, { XDG_STATE_HOME: 'relative/path' }]) {
      expect(of({ ...given, HOME: '/home/me' })).toBe('/home/me/.local/state/cache-ops');
    }
  });

  it('and what is in it can be read by its owner only', () => {
    const state = openState({ XDG_STATE_HOME: join(folder, 'owned') });
    writeDurably(state.path('deep', 'file'), 'text');
    audit({ state, now: Date.now }, { action: 'a', target: 't', result: 'r' });
    const mode = (path: string) => (statSync(path).mode & 0o777).toString(8);
    expect(mode(state.folder)).toBe('700');
    expect(mode(state.path('deep'))).toBe('700');
    expect(mode(state.path('deep', 'file'))).toBe('600');
    expect(mode(state.path('audit.ndjson'))).toBe('600');
  });
});

describe('a durable file', () => {
  it('replaces the old one as a whole, and leaves no draft', () => {
    const file = join(folder, 'durable', 'file');
    writeDurably(file, 'old');
    writeDurably(file, 'new');
    expect(readFileSync(file, 'utf8')).toBe('new');
    expect(readdirSync(join(folder, 'durable'))).toEqual(['file']);
  });

  it('that must not exist yet is refused when it does, and leaves no draft either', () => {
    const file = join(folder, 'durable', 'once');
    createDurably(file, 'first');
    expect(() => createDurably(file, 'second')).toThrow('EEXIST');
    expect(readFileSync(file, 'utf8')).toBe('first');
    expect(readdirSync(join(folder, 'durable'))).toEqual(['file', 'once']);
  });
});

it('the audit log has one line of JSON for each change: who, when, what, result', () => {
  const state = openState({ XDG_STATE_HOME: join(folder, 'audited') });
  const at = Date.parse('2026-01-02T03:04:05.678Z');
  const entry = { action: 'queue retry', target: 'jobs\n"x"', result: 'done' };
  audit({ state, now: () => at }, entry);
  audit({ state, now: () => at + 1 }, { ...entry, detail: { jobs: 3 } });
  const lines = readFileSync(state.path('audit.ndjson'), 'utf8').trimEnd().split('\n');
  const by = expect.stringMatching(new RegExp(`^.+@${hostname()}$`));
  expect(lines.map((line) => JSON.parse(line))).toEqual([
    { at: '2026-01-02T03:04:05.678Z', by, ...entry },
    { at: '2026-01-02T03:04:05.679Z', by, ...entry, detail: { jobs: 3 } },
  ]);
});

function filesBelow(path: string): string[] {
  if (!existsSync(path)) return [];
  return readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ name }) => name);
}
