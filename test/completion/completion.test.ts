import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { SCRIPT_FILES } from '../../src/completion/scripts.js';
import { runCli } from '../cli.js';

const folder = mkdtempSync(join(tmpdir(), 'cache-ops-completion-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const cli = (...argv: string[]) => runCli(argv, { cwd: folder, env: { XDG_STATE_HOME: folder } });
const shipped = new URL('../../completions/', import.meta.url).pathname;

it.each(['bash', 'zsh', 'fish'] as const)(
  'prints the script of %s that is shipped',
  async (shell) => {
    const { code, stdout, stderr } = await cli('completion', shell);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toBe(readFileSync(join(shipped, SCRIPT_FILES[shell]), 'utf8'));
  },
);

it('writes every script into a folder, a new one or one that is there', async () => {
  for (const _ of ['new', 'there']) {
    expect(await cli('completion', '--write', 'scripts')).toMatchObject({ code: 0, stdout: '' });
    const names = readdirSync(join(folder, 'scripts')).sort();
    expect(names).toEqual(['_cache-ops', 'cache-ops.bash', 'cache-ops.fish']);
  }
});

it.each([
  [['completion'], 'cache-ops: say for which shell\n  hint: one of bash, zsh, fish\n'],
  [
    ['completion', 'ksh'],
    "'ksh' is invalid for argument 'shell'. Allowed choices are bash, zsh, fish.",
  ],
  // Node's own recursive mkdir never ends here.
  [['completion', '--write', '/proc/none'], 'cache-ops: cannot write to /proc/none: ENOENT'],
])('%j ends with 2 and one line', async (argv, said) => {
  const { code, stdout, stderr } = await cli(...argv);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).toContain(said);
});
