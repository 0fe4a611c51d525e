import { Redis } from 'ioredis';
import { expect, it, onTestFinished } from 'vitest';
import { migrating, tasks } from '../migrate/estate.js';
import { applyWithKills } from '../migrate/killing.js';
import { buildCli } from '../queues/built.js';
import { startRedis } from '../servers/redis.js';

const ENTRIES = 100_000;
const KILLS = 50;

it(`${ENTRIES} entries with ${KILLS} kill -9 at random moments: verify finds every entry equal`, async () => {
  const [server, cli] = await Promise.all([startRedis(), buildCli()]);
  const redis = new Redis(server.url);
  onTestFinished(async () => {
    redis.disconnect();
    cli.remove();
    await server.stop();
  });
  const site = migrating(server.url);
  const id = await site.plan(site.file('tasks.ndjson', tasks(ENTRIES)));
  // At a rate, so that the kills are spread over the whole of it.
  const flags = ['--rate', '5000'];
  const { reached } = await applyWithKills(site, cli.bin, id, {
    kills: KILLS,
    longest: 900,
    flags,
  });
  process.stdout.write(`reached at each kill: ${reached.join(' ')}\n`);
  expect(Math.max(...reached)).toBeGreaterThan(ENTRIES / 10);
  const { code, result } = await site.json(['verify', id]);
  // Equal means the value, and an expiry within 2 s of the plan.
  expect([code, result.counts.equal, await redis.dbsize()]).toEqual([0, ENTRIES, ENTRIES]);
  const again = await site.json(['apply', id, '--yes']);
  expect(again.result.written).toBe(0);
  const back = await site.json(['rollback', id, '--yes']);
  expect([back.result.counts.removed, await redis.dbsize()]).toEqual([ENTRIES, 0]);
});
