import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';

const cache = process.env.XDG_CACHE_HOME || join(homedir(), '.cache');

/** redis-server from PATH, or what `npm run bootstrap` brought. */
export function redisServer() {
  const folders = [
    ...(process.env.PATH ?? '').split(':'),
    join(cache, 'cache-ops', 'servers', 'redis', 'bin'),
  ];
  const found = folders
    .map((folder) => join(folder, 'redis-server'))
    .find((path) => existsSync(path));
  if (!found) throw new Error('redis-server is missing: npm run bootstrap');
  return found;
}

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
