import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Redis } from 'ioredis';
import { configured } from '../health/estate.js';

interface Estate {
  environment?: string;
  redis?: unknown;
  queues?: unknown[];
  keys?: unknown;
}

/** An estate with one Redis, `main`, and the `keys` commands in it. */
export function keysOn(url: string, { environment = 'test', ...more }: Estate = {}) {
  const { folder, run } = configured({ environment, redis: { main: { url } }, ...more });
  const state = join(folder, 'state', 'cache-ops');
  const keys = (argv: string[], overrides: Parameters<typeof run>[1] = {}) =>
    run(['keys', ...argv, '--no-color'], overrides);
  return {
    folder,
    state,
    keys,
    /** With --json: the exit code, every document, the last one, and the error. */
    async json(...argv: string[]) {
      const { code, stdout, stderr } = await keys([...argv, '--json']);
      const documents = stdout
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line));
      const items = documents.filter(({ type }) => type === 'item');
      const error = stderr.startsWith('{') ? JSON.parse(stderr).error : undefined;
      return { code, stderr, error, items, result: documents.at(-1) };
    },
    audited(): Record<string, unknown>[] {
      const file = join(state, 'audit.ndjson');
      if (!existsSync(file)) return [];
      const lines = readFileSync(file, 'utf8').trim().split('\n');
      return lines.map((line) => JSON.parse(line));
    },
  };
}

/** A hash over every key, its value and the moment it expires. */
export async function fingerprint(redis: Redis): Promise<string> {
  const hash = createHash('sha256');
  const keys = (await redis.keysBuffer('*')).sort(Buffer.compare);
  for (const key of keys) {
    hash.update(key);
    hash.update((await redis.dumpBuffer(key)) ?? '');
    hash.update(String(await redis.call('PEXPIRETIME', key)));
  }
  return hash.digest('hex');
}

/** Keys `prefix0` to `prefix(count - 1)`, as strings. */
export async function fill(redis: Redis, prefix: string, count: number): Promise<void> {
  for (let start = 0; start < count; start += 5_000) {
    const size = Math.min(5_000, count - start);
    const pairs = Array.from({ length: size }, (_, at) => [`${prefix}${start + at}`, 'x']);
    await redis.mset(...pairs.flat());
  }
}
