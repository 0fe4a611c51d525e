import { execFileSync } from 'node:child_process';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { expect, it } from 'vitest';
import { startEstate, summary } from '../drills/estate.js';
import { until } from '../servers/wait.js';

const DRILLS = Number(process.env.DRILLS ?? 200);

/** Each way to break Redis in turn: by process, over its connection, by a proxy in its place. */
const KINDS = [
  'redis-down',
  'redis-hang',
  'redis-latency',
  'redis-reset',
  'redis-blackhole',
  'redis-auth',
  'redis-maxclients',
  'redis-full',
  'redis-restart-data',
];

it(`${DRILLS} drills in a row leave no process, port, key, setting, file or memory behind`, async () => {
  const estate = await startEstate({ config: ['maxmemory 300mb', 'maxmemory-policy allkeys-lru'] });
  try {
    await estate.redisSet('mine', 'precious');
    const before = await estate.fingerprint();
    const memory: number[] = [];
    for (let done = 0; done < DRILLS; done += KINDS.length) {
      const drills = KINDS.slice(0, DRILLS - done).map(
        (drill) => `  - { drill: ${drill}, settle: 100ms, hold: 100ms }`,
      );
      writeFileSync(
        join(estate.folder, 'plan.yaml'),
        ['suite: all', 'drills:', ...drills].join('\n'),
      );
      const { code, stdout, stderr } = await estate.run(['drill', 'plan', 'plan.yaml', '--yes']);
      expect([code, stderr, summary(stdout).drills.flatMap(reasonsOf)]).toEqual([0, '', []]);
      globalThis.gc?.();
      memory.push(process.memoryUsage().heapUsed);
    }
    await until(() => processesOf(estate.folder).length === 0);
    expect(await estate.fingerprint()).toBe(before);
    expect(JSON.parse((await estate.run(['drill', 'status', '--json'])).stdout).open).toEqual([]);
    const drills = join(estate.folder, 'state', 'cache-ops', 'drills');
    expect(readdirSync(join(drills, 'open'))).toEqual([]);
    expect(readdirSync(join(drills, 'drafts'))).toEqual([]);
    expect(readdirSync(join(drills, 'history'))).toHaveLength(DRILLS);
    expect(await clients(estate.redis.port)).toBe(estate.urls.length + 1);
    const [, second = 0] = memory;
    // This process runs the command line itself: what it keeps of a drill would add up.
    expect((memory.at(-1) ?? 0) - second).toBeLessThan(64 * 1024 ** 2);
  } finally {
    await estate.stop();
  }
});

const reasonsOf = ({ drill, reasons }: { drill: string; reasons: string[] }) =>
  reasons.map((reason) => `${drill}: ${reason}`);

/** Watchdogs, and whatever else has the folder in its command line. */
function processesOf(folder: string): string[] {
  return execFileSync('ps', ['-eo', 'pid,args'], { encoding: 'utf8' })
    .split('\n')
    .filter((line) => line.includes(folder));
}

async function clients(port: number): Promise<number> {
  const client = new Redis(port, '127.0.0.1', { password: 'pass word' });
  try {
    const list = String(await client.call('CLIENT', 'LIST', 'TYPE', 'NORMAL'));
    return list.trim().split('\n').length;
  } finally {
    client.disconnect();
  }
}
