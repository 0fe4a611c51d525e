// Retrying failed BullMQ jobs in bulk: by error, against the way of bull-board, and all of them, against
// BullMQ's own retryJobs. Whole processes in turn on one Redis.
// node bench/queues/retry.mjs [runs] [jobs] [ours|peers]
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { load, spread, table } from '../lib/figures.mjs';
import { connect } from '../lib/resp.mjs';
import { bin, run } from '../lib/run.mjs';
import { startRedis } from '../servers.mjs';
import { beside } from './beside.mjs';
import { seed, verifySeed } from './seed.mjs';

const runs = Number(process.argv[2] ?? 5);
const jobs = Number(process.argv[3] ?? 100_000);
const only = process.argv[4];
const peers = new URL('./peers/', import.meta.url).pathname;
const folder = mkdtempSync(join(tmpdir(), 'cache-ops-bench-'));
const server = await startRedis();
const redis = await connect(server.port);
const config = join(folder, 'cache-ops.yaml');
writeFileSync(
  config,
  `redis:\n  main: ${server.url}\nqueues:\n  - { engine: bullmq, redis: main }\n`,
);

const cacheOps = (...args) => ({
  args: [bin, 'queue', 'retry', '--queue', 'screening', ...args, '--yes', '--config', config],
  env: { XDG_STATE_HOME: folder },
  cwd: folder,
});
const WAYS = {
  'by error: cache-ops': { matching: 0.5, ...cacheOps('--error', '/ETIMEDOUT/') },
  'by error: bull-board, all at once': {
    matching: 0.5,
    args: [`${peers}bull-board.mjs`, server.url, 'screening', 'ETIMEDOUT'],
  },
  'by error: bull-board, pages of 100': {
    matching: 0.5,
    args: [`${peers}bull-board.mjs`, server.url, 'screening', 'ETIMEDOUT', '100'],
  },
  'all: cache-ops': { matching: 1, ...cacheOps('--all') },
  'all: BullMQ retryJobs': {
    matching: 1,
    args: [`${peers}retry-jobs.mjs`, server.url, 'screening'],
  },
};

async function once({ matching, args, env, cwd }) {
  await redis.send('FLUSHALL');
  await seed(redis, 'screening', jobs);
  const { result, foreground } = await beside(server.port, () => run(args, { env, cwd }));
  const failed = await redis.send('ZCARD', 'bull:screening:failed');
  const waiting =
    (await redis.send('LLEN', 'bull:screening:wait')) +
    (await redis.send('ZCARD', 'bull:screening:prioritized'));
  if (failed !== jobs * (1 - matching) || waiting !== jobs * matching) {
    throw new Error(`${args.join(' ')}: ${waiting} waiting and ${failed} failed of ${jobs}`);
  }
  const kept = await redis.send('ZCARD', 'bull:screening:prioritized');
  return { ms: result.ms, mb: result.mb, kept, p99: foreground.p99, max: foreground.max };
}

await seed(redis, 'screening', 20);
await verifySeed(server.url, 'screening', '10', 'failed');
const idle = (await beside(server.port, () => sleep(3_000))).foreground;

const results = Object.fromEntries(Object.keys(WAYS).map((name) => [name, []]));
const before = load();
for (let index = 0; index < runs; index += 1) {
  for (const [name, way] of Object.entries(WAYS)) {
    if (only && (only === 'ours') !== name.endsWith('cache-ops')) continue;
    results[name].push(await once(way));
  }
}

const pick = (name, field) => results[name].map((result) => result[field]);
process.stdout.write(`${jobs} jobs, ${runs} runs, ${before} before, ${load()} after\n`);
table(
  ['retry', 'ms', 'peak memory, MB', 'priorities kept', 'p99 beside it, ms', 'worst beside it, ms'],
  [
    ['(nothing)', '', '', '', idle.p99.toFixed(2), idle.max.toFixed(1)],
    ...Object.keys(WAYS)
      .filter((name) => results[name].length > 0)
      .map((name) => [
        name,
        spread(pick(name, 'ms')),
        spread(pick(name, 'mb')),
        pick(name, 'kept')[0],
        spread(pick(name, 'p99'), 2),
        spread(pick(name, 'max'), 1),
      ]),
  ],
);
const ratio = (over, under) =>
  spread(
    pick(over, 'ms').map((ms, index) => ms / pick(under, 'ms')[index]),
    2,
  );
if (!only) {
  const [ours, board, paged, all, own] = Object.keys(WAYS);
  table(
    ['ratio of the pairs', 'x', 'bar'],
    [
      ['by error: bull-board all at once / cache-ops', ratio(board, ours), 'at least 3'],
      ['by error: bull-board pages of 100 / cache-ops', ratio(paged, ours), '-'],
      ['all: cache-ops / retryJobs', ratio(all, own), 'at most 1.5'],
    ],
  );
}
redis.close();
await server.stop();
rmSync(folder, { recursive: true, force: true });
process.exit();
