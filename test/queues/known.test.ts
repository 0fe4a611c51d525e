import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { loadConfig } from '../../src/config/load.js';
import { openBullmq } from '../../src/queues/bullmq/engine.js';
import type { Engine } from '../../src/queues/engine.js';
import { findNew, findQueues } from '../../src/queues/known.js';
import { shortNames } from '../../src/queues/names.js';
import { redisTarget } from '../../src/redis/target.js';
import { openState } from '../../src/state/folder.js';
import { command } from '../servers/command.js';
import { type RedisServer, startRedis } from '../servers/redis.js';

let redis: RedisServer;
let client: Redis;
let folder: string;
beforeAll(async () => {
  redis = await startRedis({ password: 'hunter2' });
  client = new Redis(redis.url);
});
afterAll(async () => {
  client.disconnect();
  await redis.stop();
});
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'cache-ops-known-'));
  await client.flushall();
  for (const queue of ['bull:mail', 'bull:asl:title', '{eu}:mail'])
    await client.hset(`${queue}:meta`, 'opts.maxLenEvents', '10000');
});
afterEach(() => {
  chmodSync(folder, 0o700);
  rmSync(folder, { recursive: true, force: true });
});

const state = () => openState({ XDG_STATE_HOME: folder });
const known = () => join(folder, 'cache-ops', 'queues', 'known');

/** One search as one command does it. */
async function search({ discover = false, now = 1_000, prefix = 'bull', db = 0 } = {}) {
  const file = join(folder, 'cache-ops.yaml');
  const main = { url: `${redis.url}/${db}` };
  const queues = [{ engine: 'bullmq', redis: 'main', prefix }];
  writeFileSync(file, JSON.stringify({ redis: { main }, queues }));
  const config = await loadConfig({ env: {}, cwd: folder, file });
  const engine = openBullmq(redisTarget(config, 'main'), [{ prefix }], { timeout: 5_000 });
  const calls: string[] = [];
  const watched: Engine = {
    ...engine,
    discover() {
      calls.push('discover');
      return engine.discover();
    },
    existing(refs) {
      calls.push('existing');
      return engine.existing(refs);
    },
  };
  const how = { state: state(), config, now, discover };
  const found = await findQueues(watched, how);
  return {
    found,
    calls,
    names: found.queues.map(({ scope, queue }) => `${scope}:${queue}`).sort(),
    findNew: (name: string) => findNew(found, name, how),
    close: () => engine.close(),
  };
}

/** The same, closed. */
async function searched(options: Parameters<typeof search>[0] = {}) {
  const result = await search(options);
  await result.close();
  return result;
}

const ALL = ['bull:asl:title', 'bull:mail', '{eu}:mail'];

describe('queues that were found', () => {
  it('are remembered with their age, and only looked at the next time', async () => {
    expect(await searched()).toMatchObject({ names: ALL, calls: ['discover'] });
    const again = await searched({ now: 61_000 });
    expect(again).toMatchObject({ names: ALL, calls: ['existing'] });
    expect(again.found).toMatchObject({ remembered: true, found_at: 1_000, vanished: [] });
  });

  it('that are gone are said once, and forgotten', async () => {
    await searched();
    await client.del('bull:mail:meta');
    const gone = await searched();
    expect(gone.found.vanished).toMatchObject([{ scope: 'bull', queue: 'mail' }]);
    expect(gone.names).toEqual(['bull:asl:title', '{eu}:mail']);
    expect((await searched()).found.vanished).toEqual([]);
  });

  it('are looked for again with discover, which finds the new ones and misses the old', async () => {
    await searched();
    await client.rename('bull:mail:meta', 'bull:post:meta');
    const { names, found, calls } = await searched({ discover: true, now: 9_000 });
    expect(names).toEqual(['bull:asl:title', 'bull:post', '{eu}:mail']);
    expect(found).toMatchObject({ remembered: false, found_at: 9_000 });
    expect(found.vanished).toMatchObject([{ queue: 'mail' }]);
    expect(calls).toEqual(['discover']);
  });

  it('are not those of another database or prefix', async () => {
    await searched();
    expect((await searched({ db: 1 })).calls).toEqual(['discover']);
    expect((await searched({ prefix: '{eu}' })).calls).toEqual(['discover']);
    expect((await searched()).calls).toEqual(['existing']);
  });

  it('are searched for each time while there is none', async () => {
    await client.flushall();
    await searched();
    expect((await searched()).calls).toEqual(['discover']);
  });

  it.each(['', '{"engine":"bullmq"', '[]', '{"found_at":1}'])(
    'are searched for again where the memory reads %j',
    async (text) => {
      await searched();
      for (const name of readdirSync(known())) writeFileSync(join(known(), name), text);
      expect(await searched()).toMatchObject({ names: ALL, calls: ['discover'] });
    },
  );

  it('are remembered without a secret, for their owner alone', async () => {
    await searched();
    const [name = ''] = readdirSync(known());
    expect(name).toMatch(/^bullmq-main-[0-9a-f]{16}\.json$/);
    expect(readFileSync(join(known(), name), 'utf8')).not.toContain('hunter2');
  });

  it('are found also where they cannot be remembered', async () => {
    writeFileSync(join(folder, 'cache-ops'), 'a file in the place of the folder');
    const { names, found } = await searched();
    expect(names).toEqual(ALL);
    expect(found.unwritable).toMatch(/^cannot write /);
    expect(existsSync(known())).toBe(false);
  });
});

it('finds a new queue by its name in any known scope, and remembers it', async () => {
  await searched();
  await client.hset('{eu}:fresh:meta', 'opts.maxLenEvents', '1');
  const one = await search();
  expect(await one.findNew('nope')).toEqual([]);
  expect(await one.findNew('main/{eu}:fresh')).toMatchObject([{ scope: '{eu}', queue: 'fresh' }]);
  await one.close();
  expect((await searched()).names).toContain('{eu}:fresh');
});

it('reads only', async () => {
  await command(redis.port, 'AUTH hunter2');
  await client.config('RESETSTAT');
  await searched();
  await searched();
  const used = [...(await client.info('commandstats')).matchAll(/cmdstat_([a-z|]+):/g)];
  const writes = used.filter(([, name = '']) => /^(h?set|del|eval|evalsha|[lr]push)/.test(name));
  expect(writes).toEqual([]);
});

it('calls queues by as much of their name as tells them apart', () => {
  const ref = (source: string, scope: string, queue: string) =>
    ({ engine: 'bullmq', source, scope, queue }) as const;
  const mail = ref('a', 'bull', 'mail');
  expect(shortNames([mail, mail, ref('a', 'bull', 'log')])).toEqual(['mail', 'mail', 'log']);
  expect(shortNames([mail, ref('a', 'eu', 'mail'), ref('b', 'eu', 'mail')])).toEqual([
    'bull:mail',
    'a/eu:mail',
    'b/eu:mail',
  ]);
});
