import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { describe, expect, it } from 'vitest';
import { CASES } from './cases.js';
import { type Estate, startEstate, summary } from './estate.js';
import { restoresWhateverHappens } from './matrix.js';

restoresWhateverHappens(CASES.full);

describe.concurrent('redis-full and the keys of applications', () => {
  it('loses none of 6,000 with and without a time to live, and says how many were evicted', async () => {
    await withRedis(async (estate, client) => {
      const commands = client.pipeline();
      for (let at = 0; at < 6_000; at += 1)
        commands.set(`asl:test:item:${at}`, 'x'.repeat(500), 'EX', at % 3 === 0 ? 86_400 : 600);
      for (let at = 0; at < 500; at += 1) commands.set(`asl:test:kept:${at}`, 'kept');
      await commands.exec();
      const { stdout } = await estate.run(['drill', 'redis-full', '--yes', '--hold', '2s']);
      const { reasons, facts } = summary(stdout);
      expect(reasons).toEqual([]);
      expect(facts.keys_checked).toBeGreaterThanOrEqual(6_500);
      expect(facts.keys_gone).toBe(0);
      expect(facts.evicted).toBeGreaterThan(20);
    });
  });

  it('fails when a key is gone that was there before', async () => {
    await withRedis(async (estate, client) => {
      await client.set('asl:test:precious', 'x');
      const run = estate.spawn(['drill', 'redis-full', '--yes', '--hold', '1s']);
      await run.says('Redis is full');
      await client.del('asl:test:precious');
      expect(await run.ended).toBe(3);
      expect(summary(run.output).reasons.join()).toMatch(/1 of \d+ keys .* are gone/);
    });
  });

  it('is refused on a Redis that holds a queue', async () => {
    await withRedis(async (estate, client) => {
      await client.hset('bull:mail:meta', 'opts.maxLenEvents', '10000');
      const { code, stderr } = await estate.run(['drill', 'redis-full', '--yes']);
      expect(stderr).toMatch(/it holds the queue bull:mail/);
      expect(code).toBe(6);
    });
  });

  it.each([
    ['maxmemory-policy noeviction', /policy is noeviction: full, it evicts nothing/],
    ['maxmemory 0', /no memory limit: it is never full/],
  ])('is refused with %s: it would prove what cannot happen there', async (setting, message) => {
    await withRedis(
      async (estate) => {
        const before = await estate.fingerprint();
        const { code, stderr } = await estate.run(['drill', 'redis-full', '--yes']);
        expect(stderr).toMatch(message);
        expect(code).toBe(6);
        expect(await estate.fingerprint()).toBe(before);
      },
      [setting],
    );
  });

  it('frees memory by itself when everybody who could do it is dead', async () => {
    await withRedis(async (estate, client) => {
      const run = estate.spawn(['drill', 'redis-full', '--yes', '--hold', '5s']);
      await run.says('Redis is full');
      const fillers = async () => (await client.keys('*:fill:*')).length;
      expect(await fillers()).toBeGreaterThan(10);
      const { stdout } = await estate.run(['drill', 'status', '--json']);
      expect(JSON.parse(stdout).open).toHaveLength(1);
      process.kill(estate.watchdog(), 'SIGKILL');
      run.kill('SIGKILL');
      await run.ended;
      for (let waited = 0; (await fillers()) > 0 && waited < 8_000; waited += 200) await sleep(200);
      expect(await fillers()).toBe(0);
      expect((await estate.run(['drill', 'restore'])).code).toBe(0);
    });
  });
});

async function withRedis(
  work: (estate: Estate, client: Redis) => Promise<void>,
  more: string[] = [],
): Promise<void> {
  const config = ['maxmemory 300mb', 'maxmemory-policy allkeys-lru', ...more];
  const estate = await startEstate({ control: 'none', config });
  const client = new Redis(estate.redis.port, '127.0.0.1', { password: 'pass word' });
  try {
    await work(estate, client);
  } finally {
    client.disconnect();
    await estate.stop();
  }
}
