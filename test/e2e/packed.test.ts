import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Estate, startEstate, summary } from '../drills/estate.js';
import { runBin } from './bin.js';

const root = new URL('../..', import.meta.url).pathname;
const folder = mkdtempSync(join(tmpdir(), 'cache-ops-packed-'));
const unpacked = join(folder, 'package');
const bin = join(unpacked, 'bin', 'cache-ops.js');
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
let estate: Estate;
let files: string[];

beforeAll(async () => {
  estate = await startEstate();
  // Without the scripts: building again would take dist/ away under other tests.
  execFileSync('npm', ['pack', '--ignore-scripts', '--pack-destination', folder], {
    cwd: root,
    stdio: 'ignore',
  });
  execFileSync('tar', ['-xzf', `cache-ops-${manifest.version}.tgz`], { cwd: folder });
  files = readdirSync(unpacked, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name).slice(unpacked.length + 1))
    .sort();
  symlinkSync(join(root, 'node_modules'), join(unpacked, 'node_modules'));
});
afterAll(async () => {
  await estate.stop();
  rmSync(folder, { recursive: true, force: true });
});

const packed = (...argv: string[]) => runBin(argv, { bin, env: estate.env, cwd: estate.folder });

describe('the package', () => {
  it('holds what is needed to use it, and nothing else', () => {
    const top = new Set(files.map((file) => file.split('/')[0]));
    const allowed = [
      'CHANGELOG.md',
      'LICENSE',
      'README.md',
      'bin',
      'completions',
      'dist',
      'package.json',
    ];
    expect([...top].filter((name) => !allowed.includes(name ?? ''))).toEqual([]);
    expect(files).toContain('LICENSE');
    expect(files).toContain('dist/main.js');
    expect(files).toContain('dist/service.js');
    expect(statSync(bin).mode & 0o111).toBe(0o111);
  });

  it('has no source maps, no paths of the machine it was built on, and no secrets', () => {
    expect(files.filter((file) => file.endsWith('.map'))).toEqual([]);
    const machine = [root.replace(/\/$/, ''), homedir(), tmpdir()].filter(
      (path) => path.length > 5,
    );
    for (const file of files) {
      const text = readFileSync(join(unpacked, file), 'utf8');
      for (const path of machine) expect(`${file} ${text.includes(path)}`).toBe(`${file} false`);
      expect(`${file} ${text.includes('sourceMappingURL=')}`).toBe(`${file} false`);
      expect(text).not.toMatch(/-----BEGIN [A-Z ]*PRIVATE KEY-----\n/);
      expect(text).not.toMatch(/(redis|postgres)(ql)?:\/\/[^\s:@/'"`$]*:[^\s@/'"`$]{6,}@/);
    }
  });
});

describe('the packed command', () => {
  it('says its version and its help', async () => {
    expect(await packed('--version')).toEqual({
      code: 0,
      stdout: `${manifest.version}\n`,
      stderr: '',
    });
    const help = await packed('--help');
    expect(help).toMatchObject({ code: 0, stderr: '' });
    for (const name of ['ping', 'drill', 'sandbox']) expect(help.stdout).toContain(`\n  ${name} `);
  });

  it('loads every command that its help names', async () => {
    const { stdout } = await packed('--help');
    const names = [...stdout.matchAll(/^ {2}([a-z]+)\b(?= .* {2})/gm)].map(
      ([, name]) => name ?? '',
    );
    expect(names.length).toBeGreaterThan(3);
    const helps = await Promise.all(names.map((name) => packed(name, '--help')));
    for (const [index, help] of helps.entries()) {
      expect(help).toMatchObject({ code: 0, stderr: '' });
      expect(help.stdout).toContain(`Usage: cache-ops ${names[index]}`);
    }
  });

  it('pings a real Redis', async () => {
    const ping = await packed('ping', '--json');
    expect(ping).toMatchObject({ code: 0, stderr: '' });
    expect(JSON.parse(ping.stdout)).toMatchObject({ ok: true, targets: [{ target: 'main' }] });
  });

  it('drills: stops a real Redis, sees two services go on in memory, and restores it', async () => {
    await estate.redisSet('mine', 'precious');
    const { pid } = estate.redis;
    const junit = join(folder, 'junit.xml');
    const drill = await packed('drill', 'redis-down', '--yes', '--hold', '500ms', '--junit', junit);
    expect(drill).toMatchObject({ code: 0, stderr: '' });
    expect(summary(drill.stdout)).toMatchObject({ verdict: 'passed', restored: true });
    expect(readFileSync(junit, 'utf8')).toContain('<testsuite ');
    expect(estate.redis.pid).not.toBe(pid);
    expect(await estate.redisGet('mine')).toBe('precious');
  });
});
