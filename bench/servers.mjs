import { execFileSync, spawn } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const cache = process.env.XDG_CACHE_HOME || join(homedir(), '.cache');

/** A server's program from PATH, or what `npm run bootstrap` brought. */
function program(name, kind) {
  const folders = [
    ...(process.env.PATH ?? '').split(':'),
    join(cache, 'cache-ops', 'servers', kind, 'bin'),
  ];
  const found = folders.map((folder) => join(folder, name)).find((path) => existsSync(path));
  if (!found) throw new Error(`${name} is missing: npm run bootstrap`);
  return found;
}

export const redisServer = () => program('redis-server', 'redis');

export function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

const children = new Set();
process.once('exit', () => {
  for (const child of children) child.kill('SIGKILL');
});

/** A Redis without persistence on a free loopback port; `stop` ends it and removes its folder. */
export async function startRedis(...options) {
  const dir = mkdtempSync(join(tmpdir(), 'cache-ops-bench-'));
  const port = await freePort();
  const child = spawn(
    redisServer(),
    ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--dir', dir, ...options],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const ended = new Promise((resolve) => child.once('exit', resolve));
  const stop = async () => {
    child.kill('SIGKILL');
    await ended;
    children.delete(child);
    rmSync(dir, { recursive: true, force: true });
  };
  children.add(child);
  await new Promise((resolve, reject) => {
    child.once('exit', () => reject(new Error('redis-server ended at its start')));
    child.stdout.on('data', (text) => String(text).includes('Ready to accept') && resolve());
  });
  return { port, url: `redis://127.0.0.1:${port}`, stop };
}

/** A Postgres on a free loopback port, which syncs nothing; user postgres, no password. */
export async function startPostgres(...options) {
  const dir = mkdtempSync(join(tmpdir(), 'cache-ops-bench-'));
  const data = join(dir, 'data');
  const port = await freePort();
  // Postgres refuses to run as root.
  const user = process.getuid?.() === 0 ? nobody() : {};
  chmodSync(dir, 0o711);
  mkdirSync(data, { mode: 0o700 });
  if (user.uid) chownSync(data, user.uid, user.gid);
  execFileSync(
    program('initdb', 'postgres'),
    ['-D', data, '-U', 'postgres', '--auth=trust', '-N', '-E', 'UTF8', '--locale=C'],
    { ...user, cwd: dir, stdio: 'ignore' },
  );
  const settings = [
    `port=${port}`,
    'listen_addresses=127.0.0.1',
    'unix_socket_directories=',
    'fsync=off',
    ...options,
  ];
  const child = spawn(
    program('postgres', 'postgres'),
    ['-D', data, ...settings.flatMap((setting) => ['-c', setting])],
    { ...user, cwd: dir, stdio: 'ignore' },
  );
  const ended = new Promise((resolve) => child.once('exit', resolve));
  children.add(child);
  const isReady = () => {
    const file = join(data, 'postmaster.pid');
    return existsSync(file) && readFileSync(file, 'utf8').split('\n')[7]?.trim() === 'ready';
  };
  while (!isReady()) {
    if (child.exitCode !== null) throw new Error('postgres ended at its start');
    await sleep(20);
  }
  const stop = async () => {
    child.kill('SIGINT');
    await ended;
    children.delete(child);
    rmSync(dir, { recursive: true, force: true });
  };
  return { port, url: `postgres://postgres@127.0.0.1:${port}/postgres`, stop };
}

function nobody() {
  const lines = readFileSync('/etc/passwd', 'utf8').split('\n');
  const [, , uid, gid] = lines.find((line) => line.startsWith('nobody:')).split(':');
  return { uid: Number(uid), gid: Number(gid) };
}
