import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildCli } from '../queues/built.js';
import { command } from '../servers/command.js';
import { until } from '../servers/wait.js';
import { alertEstate, type Estate, killed, redisFor, startHook, startWatchOf } from './estate.js';

let built: Awaited<ReturnType<typeof buildCli>>;
beforeAll(async () => {
  built = await buildCli();
});
afterAll(() => built.remove());

const MANY = { name: 'many', when: 'clients.connected > 0' };
const startWatch = (estate: Estate, argv?: string[]) => startWatchOf(built.bin, estate, argv);

describe('watchers on several machines', () => {
  /** Of the same estate, each with a state folder of its own. */
  async function pair() {
    const lock = await redisFor();
    const redis = await redisFor();
    const hook = await startHook();
    const config = {
      redis: { main: redis.url, lock: lock.url },
      alerts: {
        group_wait: 0,
        rules: [{ ...MANY, targets: ['redis:main'] }],
        sinks: [hook.sink],
      },
    };
    const watchers = () => [alertEstate(config), alertEstate(config)] as [Estate, Estate];
    return { lock, redis, hook, estates: watchers() };
  }

  it('elect one that tells; when it ends the other tells what happens then, and nothing twice', async () => {
    const { redis, lock, hook, estates } = await pair();
    const [one, two] = estates;
    const first = startWatch(one, ['--leader', 'redis:lock']);
    await first.looksOn(2);
    const key = 'cache-ops:development:alert-leader:default';
    expect(await command(lock.port, `PTTL ${key}`)).toMatch(/:1\d{4}/);
    const second = startWatch(two, ['--leader', 'lock']);
    await second.says('another watcher leads; this one looks on');
    await second.looksOn();
    expect(hook.told()).toEqual(['firing many']);
    expect(first.looks().at(-1)?.leads).toBe(true);
    expect(second.looks().at(-1)?.leads).toBe(false);
    first.kill('SIGTERM');
    await first.ended;
    expect(await command(lock.port, `EXISTS ${key}`)).toBe(':0\r\n');
    // It asks for the lock every five seconds.
    await until(() => second.looks().at(-1)?.leads === true, { timeout: 15_000 });
    await killed(redis);
    await until(() => hook.told().some((message) => message === 'firing down'));
  });

  it('go on telling while the lock itself is down: the one that led', async () => {
    const { lock, hook, estates } = await pair();
    const [one, two] = estates;
    const first = startWatch(one, ['--leader', 'lock']);
    await first.looksOn(2);
    const second = startWatch(two, ['--leader', 'lock']);
    await second.looksOn(2);
    await killed(lock);
    await until(() => hook.told().length === 2);
    await first.says('cannot be reached');
    await second.says('cannot be reached');
    await Promise.all([first.looksOn(), second.looksOn()]);
    expect(hook.told()).toEqual(['firing many', 'firing down']);
  });
});
