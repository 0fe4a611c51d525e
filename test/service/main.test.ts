import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest';
import { until } from '../servers/wait.js';
import { clientOf, redisFor } from './harness.js';

let folder: string;
let entry: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'service-'));
  entry = join(folder, 'service.mjs');
  await build({
    entryPoints: [new URL('../../src/service/main.ts', import.meta.url).pathname],
    outfile: entry,
    bundle: true,
    platform: 'node',
    format: 'esm',
    external: ['pg-native'],
    banner: {
      js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
    },
  });
});
afterAll(() => rm(folder, { recursive: true, force: true }));

function run(env: Record<string, string>) {
  const child = spawn(process.execPath, [entry], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const seen = { stdout: '', stderr: '' };
  child.stdout.on('data', (chunk) => {
    seen.stdout += chunk;
  });
  child.stderr.on('data', (chunk) => {
    seen.stderr += chunk;
  });
  const exit = new Promise<number | null>((resolve) => child.on('close', resolve));
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await exit;
  });
  return { child, seen, exit };
}

async function listening({ seen }: { seen: { stdout: string } }) {
  await until(() => seen.stdout.includes('\n'));
  return JSON.parse(seen.stdout) as { event: string; url: string; pid: number };
}

async function endsWithin(
  ms: number,
  child: ChildProcess,
  signal: NodeJS.Signals,
  exit: Promise<unknown>,
) {
  const start = performance.now();
  child.kill(signal);
  expect(await exit).toBe(0);
  expect(performance.now() - start).toBeLessThan(ms);
}

it.each(['SIGTERM', 'SIGINT'] as const)(
  'says where it listens and ends on %s, even with Redis away',
  async (signal) => {
    const redis = await redisFor();
    redis.kill('SIGKILL');
    const service = run({ REDIS_URL: redis.url });
    const { event, url, pid } = await listening(service);
    expect([event, pid]).toEqual(['listening', service.child.pid]);
    const client = clientOf(url);
    expect((await client.health()).cache).toBe('memory');
    await client.put('k', 1);
    await endsWithin(1_200, service.child, signal, service.exit);
    expect(service.seen.stderr).toBe('');
  },
);

it('ends while Redis hangs', async () => {
  const redis = await redisFor();
  const service = run({ REDIS_URL: redis.url });
  const { url } = await listening(service);
  await clientOf(url).mode('redis');
  redis.kill('SIGSTOP');
  await endsWithin(1_200, service.child, 'SIGTERM', service.exit);
  redis.kill('SIGCONT');
});

it('writes its pid before it listens', async () => {
  const file = join(folder, 'pid');
  const service = run({ PID_FILE: file });
  await listening(service);
  expect(await readFile(file, 'utf8')).toBe(`${service.child.pid}\n`);
});

it('outlives whoever read its output', async () => {
  const port = await freePort();
  const service = run({ PORT: String(port) });
  service.child.stdout?.destroy();
  service.child.stderr?.destroy();
  const { health } = clientOf(`http://127.0.0.1:${port}`);
  await until(() =>
    health().then(
      () => true,
      () => false,
    ),
  );
  expect((await health()).status).toBe('ok');
  expect(service.child.exitCode).toBeNull();
});

it('refuses an environment it cannot use: one line, exit 2', async () => {
  const { seen, exit } = run({ CACHE_TYPE: 'redis', PORT: '0' });
  expect(await exit).toBe(2);
  expect(seen).toEqual({
    stdout: '',
    stderr: 'service: CACHE_TYPE=redis needs REDIS_URL or REDIS_HOST\n',
  });
});

it('says so when its port is taken', async () => {
  const redis = await redisFor();
  const first = run({});
  const { url } = await listening(first);
  const second = run({ PORT: new URL(url).port, REDIS_URL: redis.url });
  expect(await second.exit).toBe(1);
  expect(second.seen.stderr).toMatch(/^service: .*EADDRINUSE.*\n$/);
});

async function freePort(): Promise<number> {
  const { createServer } = await import('node:net');
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}
