// One whole process, measured: time from start to end, and its peak memory by the system's account.
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Loaded into the measured process: at its end it writes down its peak memory (getrusage: KB). */
const account = (file) =>
  `data:text/javascript,${encodeURIComponent(`import { writeFileSync } from 'node:fs'; process.on('exit', () => writeFileSync(${JSON.stringify(file)}, String(process.resourceUsage().maxRSS)))`)}`;

/** NODE_EXTRA_CA_CERTS costs Node 20 about 35 ms at every start: not ours to measure. */
const { NODE_EXTRA_CA_CERTS: _, ...environment } = process.env;

/**
 * Runs `node ...args`; `onData` gets stdout as it comes, `onStart` the child. Throws when it does not
 * end with `expected`. Times in ms, memory in MB.
 */
export async function run(
  args,
  { env = {}, cwd, expected = 0, memory = true, onData, onStart } = {},
) {
  const folder = mkdtempSync(join(tmpdir(), 'cache-ops-bench-'));
  const file = join(folder, 'account');
  const start = performance.now();
  const child = spawn(process.execPath, [...(memory ? ['--import', account(file)] : []), ...args], {
    env: { ...environment, ...env },
    cwd,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', onData ?? ((text) => (stdout += text)));
  child.stderr.on('data', (text) => (stderr += text));
  onStart?.(child);
  const code = await new Promise((resolve) => child.once('close', resolve));
  const ms = performance.now() - start;
  if (code !== expected) {
    throw new Error(`${args.join(' ')} ended with ${code}: ${stderr.slice(-2_000)}`);
  }
  const mb = memory ? Number(readFileSync(file, 'utf8')) / 1024 : undefined;
  rmSync(folder, { recursive: true, force: true });
  return { ms, mb, stdout, stderr };
}

export const bin = new URL('../../bin/cache-ops.js', import.meta.url).pathname;
