import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { onTestFinished } from 'vitest';
import type { PingNode, PingResult } from '../../src/commands/ping.js';
import { type Outcome, type Overrides, runCli } from '../cli.js';
import { type RedisOptions, startRedis } from '../servers/redis.js';

/** Runs `ping` in an estate with these Redis targets; `elapsed` in ms. */
export async function ping(
  redis: Record<string, unknown>,
  argv: string[] = [],
  overrides: Overrides = {},
): Promise<Outcome & { elapsed: number }> {
  const folder = mkdtempSync(join(tmpdir(), 'cache-ops-ping-'));
  writeFileSync(join(folder, 'cache-ops.json'), JSON.stringify({ redis }));
  const began = performance.now();
  try {
    const outcome = await runCli(['ping', ...argv], {
      cwd: folder,
      ...overrides,
      env: { XDG_STATE_HOME: folder, ...overrides.env },
    });
    return { ...outcome, elapsed: performance.now() - began };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** The same with --json, read. */
export async function pingJson(redis: Record<string, unknown>, argv: string[] = []) {
  const outcome = await ping(redis, ['--json', ...argv]);
  if (!outcome.stdout) throw new Error(outcome.stderr);
  const result = JSON.parse(outcome.stdout) as PingResult;
  return { ...outcome, result, nodes: result.targets.flatMap(({ nodes }) => nodes) };
}

/** What `ping` says of one Redis: the problem, the first thing to check, and the exit code. */
export async function diagnose(redis: unknown, argv: string[] = []) {
  const { code, nodes, elapsed } = await pingJson({ main: redis }, argv);
  const [node] = nodes as [PingNode];
  return {
    exit: code,
    code: node.problem?.code ?? null,
    stage: node.failed_stage,
    status: node.status,
    reason: node.problem?.reason ?? '',
    first: node.problem?.next[0] ?? '',
    next: node.problem?.next ?? [],
    node,
    elapsed,
  };
}

/** A loopback address where nothing listens: no free port is handed out below 1024. */
export const NOBODY = '127.0.0.1:1';

/** A server on a loopback port that does with a connection what it is told; not a Redis. */
export async function startImpostor(onConnection: (socket: Socket) => void) {
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    onConnection(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    port,
    url: `redis://127.0.0.1:${port}`,
    stop: () => {
      for (const socket of sockets) socket.destroy();
      return new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

/** A Redis until the end of the test, however it ends. */
export async function redisForTest(options?: RedisOptions) {
  const redis = await startRedis(options);
  onTestFinished(() => redis.stop());
  return redis;
}

/** The same with an impostor. */
export async function impostorForTest(onConnection: (socket: Socket) => void) {
  const impostor = await startImpostor(onConnection);
  onTestFinished(() => impostor.stop());
  return impostor;
}
