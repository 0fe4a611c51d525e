import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  statSync,
} from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { BIN, runBin } from '../e2e/bin.js';
import { removeFolder } from '../servers/wait.js';
import { processesOf } from './world.js';

/** The user nobody: as root we try how it is for one who is not. */
const UID = 65_534;

/** A copy in reach of others: the checkout may be below root's home. */
const place = mkdtempSync(join(tmpdir(), 'cache-ops-user-'));
chmodSync(place, 0o755);
const home = mkdtempSync(join(place, 'home-'));
chownSync(home, UID, UID);
afterAll(async () => {
  for (const { pid } of processesOf(home)) process.kill(pid, 'SIGKILL');
  await removeFolder(place);
});

const root = join(dirname(BIN), '..');
const env = {
  HOME: home,
  XDG_STATE_HOME: join(home, 'state'),
  XDG_CACHE_HOME: join(place, 'cache'),
  TMPDIR: home,
};

it.skipIf(process.getuid?.() !== 0)('works for a user who is not root', async () => {
  for (const name of ['bin', 'dist', 'package.json']) {
    cpSync(join(root, name), join(place, name), { recursive: true });
  }
  // What the bootstrap has brought may be in a home that is closed to others.
  const cache = join('cache-ops', 'servers');
  const brought = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), cache);
  for (const name of ['redis', 'postgres']) {
    if (!existsSync(join(brought, name))) continue;
    const to = join(place, 'cache', cache, name);
    cpSync(join(brought, name), to, { recursive: true, verbatimSymlinks: true });
  }
  const options = {
    bin: join(place, 'bin', 'cache-ops.js'),
    env,
    cwd: home,
    uid: UID,
  };
  const up = await runBin(['sandbox', 'up'], options);
  expect(up.stderr).toContain('The sandbox is up after');
  expect(up.code).toBe(0);
  for (const { pid } of processesOf(home)) expect(statSync(`/proc/${pid}`).uid).toBe(UID);
  expect(await runBin(['ping', '--sandbox'], options)).toMatchObject({ code: 0, stderr: '' });
  const drill = await runBin(['drill', 'redis-down', '--dry-run', '--sandbox'], options);
  expect(drill.code).toBe(0);
  const down = await runBin(['sandbox', 'down'], options);
  expect(down.stderr).toContain('The sandbox is down');
  expect(processesOf(home)).toEqual([]);
  expect(readdirSync(home)).toEqual(['state']);
});
