import type { Command } from 'commander';
import * as z from 'zod/mini';
import { readCounters } from '../../applications/counters.js';
import { countModules } from '../../caches/redis.js';
import { readCacheTable } from '../../caches/table.js';
import type { Context } from '../../context.js';
import { toBytes } from '../../keys/names.js';
import { applicationPrefix } from '../../keys/prefix.js';
import type { Block, Cell } from '../../output/blocks.js';
import { emit } from '../../output/emit.js';
import { bytes, count, percent, status } from '../../output/format.js';
import { redisTarget } from '../../redis/target.js';
import { atTarget } from '../keys/targets.js';
import { fromCacheTables } from './postgres.js';

export function registerStats(topic: Command, context: Context): void {
  topic
    .command('stats')
    .description('entries on Redis and in Postgres by module, and what the applications count')
    .addHelpText(
      'after',
      `
A module is the first segment of an entry's key. The counters are those of each application since
it started, where it has them at "stats" beside its health route.`,
    )
    .action(async () => emit(context, await stats(context), render));
}

const statsResult = z.object({
  redis: z.array(
    z.object({
      target: z.string(),
      module: z.string(),
      keys: z.number(),
      bytes: z.nullable(z.number()),
      /** Entries that never expire: each should. */
      no_ttl: z.number(),
    }),
  ),
  postgres: z.array(
    z.object({ target: z.string(), module: z.string(), count: z.number(), expired: z.number() }),
  ),
  applications: z.array(
    z.object({
      name: z.string(),
      counters: z.nullable(
        z.object({
          hits: z.number(),
          misses: z.number(),
          sets: z.number(),
          errors: z.number(),
          total_requests: z.number(),
          /** A ratio of 1. */
          hit_rate: z.nullable(z.number()),
        }),
      ),
    }),
  ),
});
type StatsResult = z.infer<typeof statsResult>;

async function stats(context: Context): Promise<StatsResult> {
  const config = await context.config();
  const prefix = `${toBytes(applicationPrefix(config))}cache:`;
  const { timeout } = context.settings;
  const caches = Object.entries(config.redis).filter(([, { roles }]) => roles.includes('cache'));
  const [redis, postgres, applications] = await Promise.all([
    Promise.all(
      caches.map(([name]) =>
        atTarget(context, redisTarget(config, name), {}, async (masters) =>
          (await countModules(masters, prefix, context.signal)).map((module) => ({
            target: name,
            ...module,
          })),
        ),
      ),
    ),
    fromCacheTables(context, undefined, readCacheTable),
    Promise.all(
      Object.entries(config.applications).map(async ([name, application]) => ({
        name,
        counters:
          (await readCounters(
            { name, config: application },
            { timeout, signal: context.signal },
          )) ?? null,
      })),
    ),
  ]);
  return statsResult.parse({
    redis: redis.flat(),
    postgres: postgres.flatMap(({ target, value }) =>
      value.modules.map((module) => ({ target: target.name, ...module })),
    ),
    applications,
  });
}

/** The runbook's: over 80 % is normal, under 50 % an alert. */
const HIT_RATE = { good: 0.8, bad: 0.5 };

function render({ redis, postgres, applications }: StatsResult): Block[] {
  const tone = (rate: number | null) =>
    rate === null
      ? 'unknown'
      : rate < HIT_RATE.bad
        ? 'critical'
        : rate < HIT_RATE.good
          ? 'warn'
          : 'ok';
  const table = (columns: string[], rows: Cell[][]): Block[] =>
    rows.length === 0 ? [] : [{ table: { columns, rows } }];
  return [
    ...table(
      ['store', 'target', 'module', 'entries', 'bytes', 'never expire'],
      redis.map((one) => [
        ...['redis', one.target, one.module],
        count(one.keys),
        bytes(one.bytes),
        count(one.no_ttl, one.no_ttl > 0 ? 'warn' : undefined),
      ]),
    ),
    ...table(
      ['store', 'target', 'module', 'rows', 'expired'],
      postgres.map((one) => [
        ...['postgres', one.target, one.module],
        count(one.count),
        count(one.expired),
      ]),
    ),
    ...table(
      ['application', 'hits', 'misses', 'sets', 'errors', 'requests', 'hit rate'],
      applications.map(({ name, counters }) => [
        name,
        count(counters?.hits),
        count(counters?.misses),
        count(counters?.sets),
        count(counters?.errors),
        count(counters?.total_requests),
        counters
          ? percent(counters.hit_rate, tone(counters.hit_rate))
          : status('has none', 'unknown'),
      ]),
    ),
    ...(redis.length + postgres.length === 0 ? [{ note: 'No entries in either store.' }] : []),
  ];
}
