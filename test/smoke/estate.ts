import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { startService } from '../../src/service/server.js';
import { settingsFrom } from '../../src/service/settings.js';
import { type Outcome, type Overrides, runCli } from '../cli.js';
import { startRedis } from '../servers/redis.js';

export const PASSWORD = 'pass word';

export interface EstateOptions {
  /** One instance of the reference service each, in that mode. */
  services?: ('redis' | 'memory')[];
  /** Health URLs of further applications. */
  urls?: string[];
  /** Lines under `redis:` besides `main`, and those at the top. */
  redis?: string[];
  head?: string[];
  /** More lines of the applications' entries. */
  application?: string[];
}

/** A Redis with a password and somebody's keys in it, applications on it, and a configuration. */
export async function startEstate({
  services: modes = [],
  urls: others = [],
  redis: more = [],
  head = [],
  application = [],
}: EstateOptions = {}) {
  const redis = await startRedis({ password: PASSWORD });
  const folder = mkdtempSync(join(tmpdir(), 'cache-ops-smoke-'));
  const services = await Promise.all(
    modes.map((mode, index) =>
      startService(
        settingsFrom(
          { REDIS_URL: redis.url, CACHE_TYPE: mode, REDIS_PREFIX: 'test', ENV: 'ci' },
          { instance: `test-${index}` },
        ),
      ),
    ),
  );
  const urls = [...services.map(({ url }) => url), ...others];
  writeFileSync(
    join(folder, 'cache-ops.yaml'),
    [
      ...head,
      'keys: { prefix: langextract }',
      'redis:',
      `  main: { url: "redis://127.0.0.1:${redis.port}", password: "${PASSWORD}" }`,
      ...more,
      ...(urls.length > 0 ? ['applications:'] : []),
      ...urls.flatMap((url, index) => [
        `  app-${index + 1}:`,
        `    health: ${url}/api/health`,
        '    probe: { write: "PUT /api/cache/{key}", read: "GET /api/cache/{key}", delete: "DELETE /api/cache/{key}" }',
        ...application,
      ]),
    ].join('\n'),
  );
  const client = new Redis(redis.port, '127.0.0.1', { password: PASSWORD });
  client.on('error', () => {});
  await client.mset('langextract:cache-ops:smoke:other:ttl', 'theirs', 'test:ci:cache:x', '1');
  return {
    redis,
    client,
    folder,
    run: (argv: string[], overrides: Overrides = {}): Promise<Outcome> =>
      runCli(['smoke', ...argv], {
        cwd: folder,
        ...overrides,
        env: { XDG_STATE_HOME: join(folder, 'state'), ...overrides.env },
      }),
    /** Every key but the services' own, which say that they are alive. */
    async keys(): Promise<string[]> {
      return (await client.keys('*')).filter((key) => !key.includes(':probe:')).sort();
    },
    async stop(): Promise<void> {
      client.disconnect();
      await Promise.all(services.map((service) => service.close()));
      await redis.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

export type Estate = Awaited<ReturnType<typeof startEstate>>;

/** Runs `work` on an estate of its own, so that tests of one file can run at the same time. */
export async function onEstate(
  options: EstateOptions,
  work: (estate: Estate) => Promise<void>,
): Promise<void> {
  const estate = await startEstate(options);
  try {
    await work(estate);
  } finally {
    await estate.stop();
  }
}

interface Row {
  subject: string;
  check: string;
  status: string;
  detail: string | null;
}

/**
 * The checks of a `--json` run as `{ "main ping": "passed" }`, and why, where one did not. On a
 * loaded test machine no 50 KB pass in 10 ms: the test of that check has a way that is slow on
 * purpose, and everywhere else `failed` is without it, and `well` the exit code of a run without other failures.
 */
export function checksOf({ stdout }: Outcome) {
  const { checks } = JSON.parse(stdout) as { checks: Row[] };
  const by = (pick: (row: Row) => string) =>
    Object.fromEntries(checks.map((row) => [`${row.subject} ${row.check}`, pick(row)]));
  const failed = checks.filter(({ status }) => status === 'failed');
  return {
    status: by(({ status }) => status),
    detail: by(({ detail }) => detail ?? ''),
    failed: failed
      .filter(({ check }) => check !== '50kb')
      .map(({ subject, check }) => `${subject} ${check}`),
    well: failed.length === 0 ? 0 : 3,
  };
}
