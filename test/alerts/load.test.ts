import { describe, expect, it, onTestFinished } from 'vitest';
import { fingerprint } from '../queues/bullmq.js';
import { command } from '../servers/command.js';
import { listenTo } from '../servers/listening.js';
import { alertEstate, MINUTE, redisFor } from './estate.js';

/** A Redis with so many queues under two prefixes, and an estate that comes to it through somebody who listens. */
async function estateOf(queues: number, url: (port: number) => string, users: string[] = []) {
  const redis = await redisFor({ users: ['default on nopass ~* &* +@all', ...users] });
  const proxy = await listenTo(redis.port);
  onTestFinished(() => proxy.stop());
  for (let n = 0; n < queues; n += 1) {
    const base = `${n % 2 === 0 ? 'bull' : 'eu:jobs'}:q${n}`;
    await command(redis.port, `HSET ${base}:meta opts.maxLenEvents 10000`);
    await command(redis.port, `RPUSH ${base}:wait 1`);
    await command(redis.port, `RPUSH ${base}:active 2 3 4`);
    await command(redis.port, `HSET ${base}:1 timestamp 1`);
  }
  const estate = alertEstate({
    redis: { main: url(proxy.port) },
    queues: [
      { engine: 'bullmq', redis: 'main' },
      { engine: 'bullmq', redis: 'main', prefix: 'eu:jobs' },
    ],
  });
  return { redis, proxy, ...estate };
}

const plainly = (port: number) => `redis://127.0.0.1:${port}`;
/** What a Redis is asked whatever queues it has. The first PING opens the connection. */
const ALWAYS = ['CLIENT LIST', 'INFO', 'PING', 'PING', 'PING', 'SLOWLOG LEN'];

describe('an evaluation', () => {
  it('sends under ten commands to a Redis of twenty queues, over one connection, and changes nothing', async () => {
    const { redis, proxy, check, clock } = await estateOf(
      20,
      (port) => `redis://watcher:pw@127.0.0.1:${port}/1`,
      ['watcher on >pw ~* &* +@all'],
    );
    // Queues are looked for in the database that is watched.
    await command(redis.port, 'SWAPDB 0 1');
    await check();
    clock.now += MINUTE;
    const before = await fingerprint(redis.port);
    proxy.sent.length = 0;
    const { result } = await check();
    expect(proxy.sent.sort()).toEqual(['AUTH', ...ALWAYS, 'EVALSHA_RO', 'SELECT'].sort());
    expect(proxy.sent.length).toBeLessThan(10);
    const depths = result.alerts.filter(({ rule }) => rule === 'depth');
    expect(depths).toHaveLength(20);
    expect(depths.every(({ value }) => value === 1)).toBe(true);
    expect(await fingerprint(redis.port)).toEqual(before);
  });

  it('asks a Redis without queues as little', async () => {
    const { proxy, check } = await estateOf(0, plainly);
    await check();
    proxy.sent.length = 0;
    await check();
    expect(proxy.sent.sort()).toEqual(ALWAYS.filter((name) => name !== 'CLIENT LIST'));
  });

  it('asks queue by queue where it may run no scripts, says so once, and finds out when it may', async () => {
    const { redis, proxy, run, clock } = await estateOf(
      3,
      (port) => `redis://viewer:pw@127.0.0.1:${port}`,
      ['viewer on >pw ~* &* +@all -@scripting'],
    );
    const said: string[] = [];
    const look = async () => {
      proxy.sent.length = 0;
      const { stdout, stderr } = await run(['alert', 'check', '--json', '--long']);
      said.push(...stderr.split('\n').filter((line) => line.includes('script')));
      clock.now += MINUTE;
      const lines = JSON.parse(stdout).alerts as { rule: string; target: string; value: number }[];
      return lines.find(({ rule, target }) => rule === 'stalled' && target.endsWith(':q1'))?.value;
    };
    expect([await look(), await look(), await look()]).toEqual([3, 3, 3]);
    expect(proxy.sent.filter((name) => name.startsWith('EVAL'))).toEqual([]);
    expect(said).toEqual([expect.stringMatching(/^main runs no script for us.*NOPERM/)]);
    clock.now += 10 * MINUTE;
    expect(await look()).toBe(3);
    expect(proxy.sent.filter((name) => name.startsWith('EVAL')).length).toBeGreaterThan(0);
    await command(redis.port, 'ACL SETUSER viewer +eval_ro +evalsha_ro');
    clock.now += 10 * MINUTE;
    await look();
    expect(await look()).toBe(3);
    expect(proxy.sent.sort()).toEqual(['AUTH', ...ALWAYS, 'EVALSHA_RO'].sort());
    expect(said).toHaveLength(1);
  });

  it('calls unknown what its user may not count, in health and alerts alike', async () => {
    const { run, check } = await estateOf(1, (port) => `redis://viewer:pw@127.0.0.1:${port}`, [
      'viewer on >pw ~* &* +@all -llen -zcard',
    ]);
    const { line } = await check();
    const depth = line('depth', 'queue:main/bull:q0');
    expect(depth).toMatchObject({ phase: 'unknown', value: null });
    expect(depth?.summary).toMatch(/queue\.waiting cannot be measured/);
    expect(line('failed', 'queue:main/bull:q0')).toMatchObject({ phase: 'inactive', value: 0 });
    const health = JSON.parse((await run(['health', '--json', '--sample', '10ms'])).stdout);
    expect(health.queues[0]).toMatchObject({ waiting: null, active: null, stalled: 3 });
    expect(health.queues[0].findings).toContainEqual({
      metric: 'jobs',
      status: 'unknown',
      message:
        'waiting, active, delayed, blocked, completed, failed: how many there are cannot be read',
    });
    const ls = JSON.parse((await run(['queue', 'ls', '--json'])).stdout);
    expect(ls.queues[0]).toMatchObject({ queue: 'q0', waiting: null, failed: null });
  });
});
