import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { onTestFinished } from 'vitest';
import type { OverviewResult, ServerMemory } from '../../src/memory/result.js';
import { type Overrides, runCli } from '../cli.js';
import { type RedisOptions, startRedis } from '../servers/redis.js';

/** An estate with these Redis targets and a state folder of its own, until the end of the test. */
export function estate(redis: Record<string, unknown>) {
  const folder = mkdtempSync(join(tmpdir(), 'cache-ops-memory-'));
  const state = join(folder, 'state');
  onTestFinished(() => {
    rmSync(folder, { recursive: true, force: true });
  });
  writeFileSync(join(folder, 'cache-ops.json'), JSON.stringify({ redis }));
  const run = (argv: string[], overrides: Overrides = {}) =>
    runCli(argv, {
      cwd: folder,
      ...overrides,
      env: { XDG_STATE_HOME: state, HOME: folder, ...overrides.env },
    });
  /** The JSON document of a command and its exit code. */
  const json = async <T>(argv: string[], overrides: Overrides = {}) => {
    const { code, stdout, stderr } = await run([...argv, '--json'], overrides);
    if (stdout === '') throw new Error(stderr);
    return { code, result: JSON.parse(stdout) as T };
  };
  /** `memory --json`. */
  const memory = async (argv: string[] = [], overrides: Overrides = {}) => {
    const { code, result } = await json<OverviewResult>(['memory', ...argv], overrides);
    return { code, result, servers: result.servers, first: result.servers[0] as ServerMemory };
  };
  return { state, run, json, memory };
}

/** A Redis and a client of it, until the end of the test. */
export async function redisWithClient(options?: RedisOptions) {
  const redis = await startRedis(options);
  const client = new Redis(redis.port);
  onTestFinished(async () => {
    client.disconnect();
    await redis.stop();
  });
  return { ...redis, redis, client };
}

/** A user that may only do this, and the target that logs in as it. */
export async function userFor(client: Redis, port: number, ...rules: string[]) {
  await client.call('ACL', 'SETUSER', 'shy', 'reset', 'on', '>pw', '~*', '+ping', ...rules);
  return `redis://shy:pw@127.0.0.1:${port}`;
}
