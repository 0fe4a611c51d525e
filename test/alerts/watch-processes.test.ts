import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildCli } from '../queues/built.js';
import { until } from '../servers/wait.js';
import { alertEstate, type Estate, killed, redisFor, startHook, startWatchOf } from './estate.js';

let built: Awaited<ReturnType<typeof buildCli>>;
beforeAll(async () => {
  built = await buildCli();
});
afterAll(() => built.remove());

const MANY = { name: 'many', when: 'clients.connected > 0' };
const startWatch = (estate: Estate, argv?: string[]) => startWatchOf(built.bin, estate, argv);

async function watched(alerts: object = {}) {
  const redis = await redisFor();
  const hook = await startHook();
  const config = {
    redis: { main: redis.url },
    alerts: { group_wait: 0, rules: [MANY], sinks: [hook.sink], ...alerts },
  };
  return { redis, hook, config, estate: alertEstate(config) };
}

describe('watchers on one state folder', () => {
  it('tell once, and the second takes over when the first is killed', async () => {
    const { redis, hook, estate } = await watched();
    const first = startWatch(estate);
    await first.looksOn(2);
    const second = startWatch(estate);
    await second.says('tells the sinks; this one looks on');
    await second.looksOn();
    expect(hook.told()).toEqual(['firing many']);
    expect(second.looks().at(-1)).toMatchObject({ leads: false, firing: 1 });
    first.kill('SIGKILL');
    await second.says('this process tells the sinks from here on');
    await second.looksOn();
    expect(hook.told()).toEqual(['firing many']);
    await killed(redis);
    await until(() => hook.told().length > 1);
    expect(hook.told()).toEqual(['firing many', 'firing down']);
  });

  it('and alert check beside one neither keeps the state nor tells', async () => {
    const { hook, estate } = await watched();
    const watch = startWatch(estate);
    await watch.looksOn(2);
    const { code, stdout, stderr } = await estate.run(['alert', 'check', '--notify', '--json'], {
      now: Date.now,
    });
    expect([code, JSON.parse(stdout).kept]).toEqual([3, false]);
    expect(stderr).toContain(`process ${watch.pid} watches this estate and tells the sinks`);
    await watch.looksOn();
    expect(hook.told()).toEqual(['firing many']);
  });
});

describe('a watcher', () => {
  it('that is killed with -9 goes on where it was: it keeps the state and tells nothing twice', async () => {
    const { hook, estate, redis, config } = await watched({
      rules: [MANY, { name: 'slow', when: 'clients.connected > 0', for: '1h' }],
    });
    for (let turn = 0; turn < 4; turn += 1) {
      const watch = startWatch(estate);
      await watch.looksOn(2);
      watch.kill('SIGKILL');
      await watch.ended;
    }
    expect(hook.told()).toEqual(['firing many']);
    const { line } = await estate.check([], { now: Date.now });
    expect(line('slow')?.phase).toBe('pending');
    // It has been pending since the first of them.
    expect(Date.now() - Date.parse(line('slow')?.since ?? '')).toBeGreaterThan(500);
    estate.write({ ...config, alerts: { ...config.alerts, rules: [] } });
    const last = startWatch(estate);
    await until(() => hook.told().length === 2);
    await last.looksOn();
    expect(hook.told()).toEqual(['firing many', 'resolved many']);
    expect(redis.pid).toBeGreaterThan(0);
  });

  it('reads the configuration anew on SIGHUP, and leaves one that makes no sense', async () => {
    const { hook, estate, config } = await watched();
    const watch = startWatch(estate);
    await until(() => hook.told().length === 1);
    estate.write({ ...config, redsi: {} });
    watch.kill('SIGHUP');
    await watch.says('the configuration stays as it was');
    const more = { name: 'more', when: 'clients.connected > 0' };
    estate.write({ ...config, alerts: { ...config.alerts, rules: [MANY, more] } });
    watch.kill('SIGHUP');
    await watch.says('the configuration was read anew');
    await until(() => hook.told().length === 2);
    expect(hook.told()).toEqual(['firing many', 'firing more']);
  });

  it('ends on SIGTERM with a summary, and frees its place at once', async () => {
    const { estate } = await watched();
    const watch = startWatch(estate);
    await watch.looksOn(2);
    watch.kill('SIGTERM');
    const { code, stdout } = await watch.ended;
    expect(code).toBe(130);
    expect(JSON.parse(stdout.trim().split('\n').at(-1) ?? '')).toMatchObject({ type: 'summary' });
    expect((await estate.check([], { now: Date.now })).result.kept).toBe(true);
  });
});
