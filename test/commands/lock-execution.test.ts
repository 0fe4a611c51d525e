import { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Executions } from '../../src/service/execution/executions.js';
import { Locks } from '../../src/service/execution/lock.js';
import { configured } from '../health/estate.js';
import { type RedisServer, startRedis } from '../servers/redis.js';

let server: RedisServer;
let client: Redis;
beforeAll(async () => {
  server = await startRedis();
  client = new Redis(server.url);
});
afterAll(async () => {
  client.disconnect();
  await server.stop();
});
beforeEach(() => client.flushall());

const estate = () =>
  configured({ environment: 'ci', redis: { main: server.url }, keys: { prefix: 'app' } });
const json = async (argv: string[]) => {
  const { code, stdout, stderr } = await estate().run([...argv, '--json']);
  return { code, stderr, result: stdout === '' ? undefined : JSON.parse(stdout) };
};

describe('lock', () => {
  const locks = () => new Locks(client, { prefix: 'app:ci:lock:', owner: 'service-1' });

  it('ls and show tell owner, token, age and remaining time, of plain tokens too', async () => {
    const lock = await locks().take('execution:review-1', 60_000);
    await client.set('app:ci:lock:plain', 'a-token', 'EX', 30);
    await client.set('other:ci:lock:x', 'not-ours');
    const { result } = await json(['lock', 'ls']);
    expect(result.locks).toMatchObject([
      {
        ...{ name: 'execution:review-1', owner: 'service-1', token: lock?.token, fence: 1 },
        ...{ age_ms: expect.any(Number), ttl_ms: expect.any(Number) },
      },
      { name: 'plain', owner: null, token: 'a-token' },
    ]);
    expect(result.locks).toHaveLength(2);
    expect((await json(['lock', 'show', 'plain'])).result.locks).toHaveLength(1);
    expect((await json(['lock', 'show', 'none'])).code).toBe(2);
  });

  it('release compares the token, asks, and frees the lock', async () => {
    await locks().take('report', 60_000);
    expect((await json(['lock', 'release', 'report'])).code).toBe(6);
    expect((await json(['lock', 'release', 'report', '--dry-run'])).result.result).toBe(
      'would be released',
    );
    const wrong = await json(['lock', 'release', 'report', '--token', 'guessed', '--yes']);
    expect(wrong.code).toBe(6);
    expect(await locks().take('report', 1)).toBeUndefined();
    expect((await json(['lock', 'release', 'report', '--yes'])).result.result).toBe('released');
    expect(await locks().take('report', 1_000)).toBeDefined();
  });

  it('a lock that never lapses is pointed out', async () => {
    await client.set('app:ci:lock:forever', 'token');
    expect((await estate().run(['lock', 'ls'])).stderr).toContain('forever never lapses');
  });
});

describe('execution', () => {
  const executions = () => new Executions(client, { keyPrefix: 'app:ci:', owner: 'service-1' });

  it('ls tells one that runs from one whose process died', async () => {
    await executions().start('runs');
    await executions().start('dead');
    await client.del('app:ci:lock:execution:{dead}');
    const ended = await executions().start('ended');
    if (ended.started) await ended.succeed();
    const { result } = await json(['execution', 'ls']);
    expect(
      result.executions.map(({ id, state }: { id: string; state: string }) => [id, state]),
    ).toEqual([
      ['dead', 'orphaned'],
      ['ended', 'completed'],
      ['runs', 'executing'],
    ]);
  });

  it('clear removes what is dead or long over, after a dry run, and nothing else', async () => {
    await executions().start('runs');
    await executions().start('dead');
    await client.del('app:ci:lock:execution:{dead}');
    for (const id of ['young', 'old']) {
      const one = await executions().start(id);
      if (one.started) await one.fail('x');
    }
    await client.hset('app:ci:execution:{old}', 'endedAt', '2020-01-01T00:00:00.000Z');
    const keys = async () => (await client.keys('app:ci:execution:*')).sort();
    const before = await keys();
    const dry = await json(['execution', 'clear', '--dry-run']);
    expect(dry.result.executions.map(({ id }: { id: string }) => id)).toEqual(['dead', 'old']);
    expect(await keys()).toEqual(before);
    expect((await json(['execution', 'clear'])).code).toBe(6);
    await json(['execution', 'clear', '--yes']);
    expect(await keys()).toEqual(['app:ci:execution:{runs}', 'app:ci:execution:{young}']);
    expect((await json(['execution', 'clear', '--older-than', '1m'])).code).toBe(2);
  });
});
