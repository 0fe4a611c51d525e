import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { ExitCode } from '../../src/errors.js';
import { COMMANDS } from '../../src/program.js';
import { runCli } from '../cli.js';

const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');

it('shows a configuration that can be used', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'cache-ops-readme-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const [, yaml = ''] = /```yaml\n(estate:[\s\S]*?)```/.exec(readme) ?? [];
  writeFileSync(join(folder, 'cache-ops.yaml'), yaml);
  const env = {
    XDG_STATE_HOME: folder,
    REDIS_URL: 'redis://localhost:6379',
    REDIS_PASSWORD: 'secret',
    DATABASE_URL: 'postgres://app@localhost/app',
  };
  const { code, stderr } = await runCli(['config', 'check'], { cwd: folder, env });
  expect({ code, stderr }).toMatchObject({ code: 0 });
});

it('names every command', () => {
  const missing = COMMANDS.filter(
    ({ name, hidden }) => !hidden && !new RegExp(`^\\| \`${name}\\b`, 'm').test(readme),
  );
  expect(missing).toEqual([]);
});

it('lists every exit code', () => {
  const codes = [...readme.matchAll(/^\| (\d+) \|/gm)].map(([, code]) => Number(code));
  expect(codes).toEqual(Object.values(ExitCode).toSorted((a, b) => a - b));
});
