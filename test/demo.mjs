// What `npm run demo` shows: a whole estate of real servers, and the commands at work on it. Ends
// with 0 when every step has; takes the estate down whatever happens.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { alertDemo } from './demo/alert.mjs';
import { migrationDemo } from './demo/migration.mjs';
import { workerCrashDemo } from './demo/worker-crash.mjs';

/** Command lines, in order, some with the exit code that is right for them; and what takes more than one. */
const STEPS = [
  'sandbox up',
  'health --sandbox',
  'ping --sandbox',
  'memory --sandbox',
  'memory bigkeys --sandbox',
  'drill redis-down --yes --sandbox',
  'drill redis-hang --hold 2s --yes --sandbox',
  'drill redis-latency --delay 200ms --hold 2s --yes --sandbox',
  workerCrashDemo,
  'queue ls --sandbox',
  'queue jobs --state failed --limit 5 --sandbox',
  'queue retry --error /ETIMEDOUT/ --dry-run --sandbox',
  'queue retry --error /ETIMEDOUT/ --yes --sandbox',
  'queue ls --sandbox',
  ['doctor --sandbox', 3],
  'load --writes 500 --reads 2000 --yes --sandbox',
  alertDemo,
  migrationDemo,
];

const DOWN = 'sandbox down';

const bin = new URL('../bin/cache-ops.js', import.meta.url).pathname;
const folder = mkdtempSync(join(tmpdir(), 'cache-ops-demo-'));
const began = performance.now();

let step;
let interrupted;
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => {
    interrupted ??= signal;
    step?.kill(signal);
  });
}

/** Runs one command line after showing it; resolves to its exit code, or the signal that ended it. */
function run(line) {
  process.stdout.write(`\n$ cache-ops ${line}\n`);
  return new Promise((resolve) => {
    // In a session of its own: of a Ctrl-C it hears once, from us, and not from the terminal too.
    const child = spawn(process.execPath, [bin, ...line.split(' ')], {
      stdio: 'inherit',
      detached: true,
      env,
    });
    child.once('error', (error) => resolve(error.message));
    child.once('exit', (code, signal) => resolve(code ?? signal));
    // Taking down is not to be interrupted.
    step = line === DOWN ? undefined : child;
  });
}

const env = { ...process.env, XDG_STATE_HOME: folder };
const show = (text) => process.stdout.write(`${text}\n`);

/** An exit code, or what went wrong: the estate is taken down whatever happens. */
const attempt = async (what) => {
  try {
    return typeof what === 'string' ? await run(what) : await what({ bin, env, show, run });
  } catch (error) {
    return error.message;
  }
};

let failure;
for (const entry of STEPS) {
  const [what, expected = 0] = [entry].flat();
  const code = await attempt(what);
  if (code === expected && !interrupted) continue;
  const name = typeof what === 'string' ? what : what.name;
  failure = interrupted ? `interrupted in "${name}"` : `"${name}" ended with ${code}`;
  break;
}
const down = await run(DOWN);
if (down === 0) rmSync(folder, { recursive: true, force: true });
else failure ??= `"${DOWN}" ended with ${down}; the state is in ${folder}`;

const seconds = ((performance.now() - began) / 1_000).toFixed(1);
process.stderr.write(`\ndemo: ${failure ?? `${STEPS.length} steps passed`} after ${seconds} s\n`);
process.exit(failure ? (interrupted ? 130 : 1) : 0);
