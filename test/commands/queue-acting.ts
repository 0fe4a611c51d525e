import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Redis } from 'ioredis';
import { configured } from '../health/estate.js';
import type { RedisServer } from '../servers/redis.js';

/** An estate with one Redis and its BullMQ queues, and its command line. */
export function actingOn(server: RedisServer, { environment = 'test' } = {}) {
  const { folder, run } = configured({
    environment,
    redis: { main: { url: server.url } },
    queues: [{ engine: 'bullmq', redis: 'main', prefix: 'bull' }],
  });
  const state = join(folder, 'state', 'cache-ops');
  return {
    folder,
    state,
    run,
    /** Runs with --json: the exit code, each line by its type, and the error. */
    async act(argv: string[], overrides: Parameters<typeof run>[1] = {}) {
      const { code, stdout, stderr } = await run(['queue', ...argv, '--json'], overrides);
      const lines = stdout
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line));
      const of = (type: string) => lines.filter((line) => line.type === type);
      return { code, stderr, lines, items: of('item'), summary: lines.at(-1) };
    },
    audited(): Record<string, unknown>[] {
      const file = join(state, 'audit.ndjson');
      if (!existsSync(file)) return [];
      const lines = readFileSync(file, 'utf8').trim().split('\n');
      return lines.map((line) => JSON.parse(line));
    },
  };
}

/** A hash over every key and its value. */
export async function fingerprint(redis: Redis): Promise<string> {
  const hash = createHash('sha256');
  for (const key of (await redis.keys('*')).sort()) {
    hash.update(key);
    hash.update((await redis.dumpBuffer(key)) ?? '');
  }
  return hash.digest('hex');
}
