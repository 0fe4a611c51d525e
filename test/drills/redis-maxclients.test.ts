import { connect as open } from 'node:net';
import { Redis } from 'ioredis';
import { describe, expect, it } from 'vitest';
import { until } from '../servers/wait.js';
import { CASES } from './cases.js';
import { type Estate, type EstateOptions, startEstate, summary } from './estate.js';
import { restoresWhateverHappens } from './matrix.js';

restoresWhateverHappens(CASES.maxclients);

const DRILL = ['drill', 'redis-maxclients', '--yes', '--hold', '3s'];

describe.concurrent('redis-maxclients', () => {
  it('cuts what is open, refuses what is new, and lets all in again when everybody is killed', async () => {
    await withEstate({}, async (estate) => {
      const idle = connect(estate);
      await idle.ping();
      const run = estate.spawn(DRILL);
      await run.says('Redis refuses connections');
      await expect(idle.ping()).rejects.toThrow();
      expect(await refusal(estate)).toMatch(/max number of clients/);
      const watchdog = estate.watchdog();
      run.kill('SIGSTOP');
      process.kill(watchdog, 'SIGKILL');
      run.kill('SIGKILL');
      await run.ended;
      // The limit is still low, and yet there is room: for the applications, and for more.
      await until(async () => (await refusal(estate)) === undefined);
      const more = Array.from({ length: 10 }, () => connect(estate));
      await Promise.all(more.map((client) => client.ping()));
      for (const client of more) client.disconnect();
      expect((await estate.run(['drill', 'restore'])).code).toBe(0);
      expect(await limitOf(estate)).toBe('10000');
    });
  });

  it('keeps its places where Redis closes what is idle', async () => {
    await withEstate({ config: ['timeout 1'] }, async (estate) => {
      const { stdout } = await estate.run(DRILL);
      expect(summary(stdout)).toMatchObject({ verdict: 'passed', reasons: [] });
      expect(await limitOf(estate)).toBe('10000');
    });
  });

  it.each([
    [['maxclients 20'], /no room for \d+ connections of the drill's own/],
    [['rename-command CONFIG ""'], /CONFIG or CLIENT is refused to this user/],
  ])('is refused with %s, and nothing is broken', async (config, message) => {
    await withEstate({ config }, async (estate) => {
      const { code, stderr } = await estate.run(DRILL);
      expect(stderr).toMatch(message);
      expect(code).toBe(6);
      expect(await estate.answers()).toBe(true);
    });
  });
});

function connect({ redis }: Estate): Redis {
  const client = new Redis(redis.port, '127.0.0.1', {
    password: 'pass word',
    retryStrategy: () => null,
    maxRetriesPerRequest: 0,
  });
  client.on('error', () => {});
  return client;
}

/** What Redis says to a connection that it does not take. */
function refusal({ redis }: Estate): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = open(redis.port, '127.0.0.1', () => socket.write('PING\r\n'));
    socket.once('data', (data) => {
      socket.destroy();
      resolve(/NOAUTH/.test(String(data)) ? undefined : String(data));
    });
    socket.once('error', (error) => resolve(String(error)));
  });
}

async function limitOf(estate: Estate): Promise<string | undefined> {
  const client = connect(estate);
  try {
    return ((await client.config('GET', 'maxclients')) as string[])[1];
  } finally {
    client.disconnect();
  }
}

async function withEstate(
  options: EstateOptions,
  work: (estate: Estate) => Promise<void>,
): Promise<void> {
  const estate = await startEstate({ control: 'none', ...options });
  try {
    await work(estate);
  } finally {
    await estate.stop();
  }
}
