import { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { failedJobs } from '../queues/failed.js';
import { type RedisServer, startRedis } from '../servers/redis.js';
import { fill, fingerprint, keysOn } from './keys-estate.js';

let server: RedisServer;
let redis: Redis;
beforeAll(async () => {
  server = await startRedis({ users: ['scanner on >pw ~* +@connection +scan +type +pttl'] });
  redis = new Redis(server.url);
});
afterAll(async () => {
  redis.disconnect();
  await server.stop();
});
beforeEach(() => redis.flushall());

const RULES = {
  prefix: 'app',
  environment: 'prod',
  rules: [
    { match: '{prefix}:{env}:task:{user}:{task}', ttl: '24h', max_ttl: '48h', max_size: '1kb' },
    { match: '{prefix}:{env}:chat:{user}:{id}', ttl: '2h', max_messages: 4, type: 'string' },
    { match: '{prefix}:{env}:talk:{user}', ttl: '2h', max_messages: 4 },
    { match: 'config:{path*}', ttl_required: false },
  ],
};
const audited = (keys: unknown = RULES, url = server.url) => keysOn(url, { keys });
const DAY = 86_400;

interface Finding {
  kind: string;
  rule: string | null;
  keys: number;
  bytes: number;
  examples: { key: string; detail: string | null }[];
}

/** The findings as `kind rule: example (detail)`. */
async function findings(...argv: string[]): Promise<string[]> {
  const { result } = await audited().json('audit', ...argv);
  return result.targets[0].findings.flatMap(({ kind, examples }: Finding) =>
    examples.map(({ key, detail }) => `${kind} ${key}${detail ? ` (${detail})` : ''}`),
  );
}

it('finds nothing wrong with keys that follow the rules', async () => {
  await redis.set('app:prod:task:u1:t1', 'x', 'EX', DAY);
  await redis.set('app:prod:chat:u1:c1', '[1,2,3,4]', 'EX', 7_200);
  await redis.set('config:a:b:c', 'x');
  const { code, result } = await audited().json('audit');
  expect([code, result.targets[0].violating, result.targets[0].findings]).toEqual([0, 0, []]);
  expect(result.rules).toMatchObject({ built_in: false, prefix: 'app', environment: 'prod' });
});

describe('each kind of finding', () => {
  it.each([
    ['app:prod:task::t1', ['missing_user app:prod:task::t1']],
    ['app:prod:task:t1', ['missing_user app:prod:task:t1']],
    ['app:prod:task:undefined:t1', ['missing_user app:prod:task:undefined:t1']],
    ['app:prod:talk', ['missing_user app:prod:talk']],
    ['app:staging:task:u1:t1', ['foreign_environment app:staging:task:u1:t1']],
    ['other:prod:task:u1:t1', ['foreign_prefix other:prod:task:u1:t1']],
    [
      'other:dev:task::t1',
      [
        'missing_user other:dev:task::t1',
        'foreign_environment other:dev:task::t1',
        'foreign_prefix other:dev:task::t1',
      ],
    ],
    ['something:else', ['no_rule something:else']],
    ['app:prod:task:u1:t1:more', ['no_rule app:prod:task:u1:t1:more']],
    ['', ['no_rule ']],
  ])('of the name %j', async (key, expected) => {
    await redis.set(key, 'x', 'EX', 60);
    expect(await findings()).toEqual(expected);
  });

  it('of the TTL: none at all, with and without a rule, or above the longest', async () => {
    await redis.set('app:prod:task:u1:never', 'x');
    await redis.set('app:prod:task:u1:allowed', 'x', 'EX', 2 * DAY);
    await redis.set('app:prod:task:u1:long', 'x', 'EX', 3 * DAY);
    await redis.set('app:prod:chat:u1:long', '[]', 'EX', 8_000);
    await redis.set('stray', 'x');
    expect(await findings()).toEqual([
      'no_rule stray',
      expect.stringMatching(/^no_ttl (stray|app:prod:task:u1:never)$/),
      expect.stringMatching(/^no_ttl (stray|app:prod:task:u1:never)$/),
      expect.stringMatching(/^ttl_above app:prod:(task|chat):u1:long \(.*at most (2d 0h|2h 0m)\)$/),
      expect.stringMatching(/^ttl_above app:prod:(task|chat):u1:long/),
    ]);
  });

  it('of sessions: messages in a list, a stream, a JSON array, an object, a hash', async () => {
    const five = JSON.stringify([1, 2, 3, 4, 5]);
    await redis.rpush('app:prod:talk:list', 1, 2, 3, 4, 5);
    for (let at = 0; at < 5; at += 1) await redis.xadd('app:prod:talk:stream', '*', 'm', at);
    await redis.set('app:prod:talk:array', five);
    await redis.set('app:prod:talk:object', `{"user":"é","messages":${five}}`);
    await redis.hset('app:prod:talk:hash', { messages: five });
    await redis.rpush('app:prod:talk:short', 1, 2, 3, 4);
    await redis.set('app:prod:talk:text', 'not JSON');
    await redis.set('app:prod:talk:huge', `[${'1,'.repeat(600_000)}1]`);
    for (const key of await redis.keys('*')) await redis.expire(key, 60);
    const { result } = await audited().json('audit', '--examples', '10');
    const [target] = result.targets;
    const [finding] = target.findings as [Finding];
    expect([target.findings.length, finding.kind, target.uncounted]).toEqual([
      1,
      'too_many_messages',
      2,
    ]);
    expect(finding.examples.map(({ key }) => key.split(':').at(-1)).sort()).toEqual([
      'array',
      'hash',
      'list',
      'object',
      'stream',
    ]);
    expect(finding.examples[0]?.detail).toBe('5 messages, at most 4');
  });

  it("of the size, by a string's own length and not by what the allocator rounds it up to", async () => {
    await redis.set('app:prod:task:u1:fits', 'x'.repeat(1_024), 'EX', 60);
    await redis.set('app:prod:task:u1:over', 'x'.repeat(1_025), 'EX', 60);
    await redis.hset(
      'app:prod:task:u1:hash',
      Object.fromEntries(Array.from({ length: 200 }, (_, at) => [`f${at}`, at])),
    );
    await redis.expire('app:prod:task:u1:hash', 60);
    expect((await findings()).map((line) => line.split(' ')[1]).sort()).toEqual([
      'app:prod:task:u1:hash',
      'app:prod:task:u1:over',
    ]);
  });

  it('of the type', async () => {
    await redis.rpush('app:prod:chat:u1:c1', 'x');
    await redis.expire('app:prod:chat:u1:c1', 60);
    expect(await findings()).toEqual(['wrong_type app:prod:chat:u1:c1 (list, expected string)']);
  });
});

it('counts keys and bytes, shows so many examples, and exits with 3', async () => {
  await fill(redis, 'stray:', 500);
  const { code, result } = await audited().json('audit', '--examples', '2');
  const [target] = result.targets;
  const size = await redis.memory('USAGE', 'stray:100');
  expect(code).toBe(3);
  expect(target).toMatchObject({ keys: 500, violating: 500, complete: true, looked_at: 500 });
  expect(
    target.findings.map(({ kind, keys, examples }: Finding) => [kind, keys, examples.length]),
  ).toEqual([
    ['no_rule', 500, 2],
    ['no_ttl', 500, 2],
  ]);
  expect(target.findings[0].bytes).toBeGreaterThan(400 * (size ?? 0));
  expect(target.no_rule).toMatchObject([{ pattern: 'stray:{id}', keys: 500 }]);
});

it('keys of BullMQ queues are reported apart and are no violation', async () => {
  const queue = await failedJobs(redis, 'mail', 10);
  await queue.close();
  const { code, result } = await audited().json('audit');
  expect([code, result.targets[0].keys, result.targets[0].violating]).toEqual([0, 0, 0]);
  expect(result.targets[0].queues).toMatchObject([
    { queue: 'bull:mail', keys: await redis.dbsize() },
  ]);
});

it('uses the rules of the estate where the configuration has none, and says so', async () => {
  await redis.set('cache-ops:test:task:import:u1:t1', 'x', 'EX', 2 * DAY);
  await redis.set('cache-ops:test:chat:search:u1:t1', 'x', 'EX', DAY);
  await redis.set('asl:llm:0123456789abcdef', 'x', 'EX', 3_600);
  const { code, result } = await audited({}).json('audit');
  expect([code, result.rules.built_in]).toEqual([3, true]);
  expect(result.targets[0].findings).toMatchObject([
    { kind: 'ttl_above', rule: '{prefix}:{env}:chat:search:{user}:{task}', keys: 1 },
  ]);
  const shown = await audited({}).keys(['audit'], { tty: true, columns: 40 });
  expect(shown.stdout).toContain("The estate's own rules");
});

it('works for a user who may only SCAN, TYPE and PTTL: sizes are said to be unknown', async () => {
  await redis.set('stray', 'x');
  const url = server.url.replace('redis://', 'redis://scanner:pw@');
  const { code, result } = await audited(RULES, url).json('audit');
  expect(code).toBe(3);
  expect(result.targets[0]).toMatchObject({
    no_sizes: true,
    findings: [{ bytes: null }, { bytes: null }],
  });
});

describe('--fix-ttl', () => {
  const TASK = 'app:prod:task:u1:';

  it('a dry run says how many of which rule, and changes nothing', async () => {
    await fill(redis, TASK, 30);
    const before = await fingerprint(redis);
    const estate = audited();
    const { code, result } = await estate.json('audit', 'main', '--fix-ttl', '--dry-run');
    expect(code).toBe(0);
    expect(result).toMatchObject({
      action: 'fix-ttl',
      keys: 30,
      groups: [{ pattern: '{prefix}:{env}:task:{user}:{task}', keys: 30, ttl_ms: DAY * 1_000 }],
    });
    expect(await fingerprint(redis)).toBe(before);
    expect(estate.audited()).toEqual([]);
  });

  it('gives the keys of a rule its TTL and touches no other key and no TTL that is there', async () => {
    await fill(redis, TASK, 30);
    await redis.set(`${TASK}has`, 'x', 'EX', 10 * DAY);
    await redis.set('app:staging:task:u1:t', 'x');
    await redis.set('app:prod:task::t', 'x');
    await redis.set('config:a', 'x');
    await redis.set('stray', 'x');
    const estate = audited();
    const { code, result } = await estate.json('audit', 'main', '--fix-ttl', '--yes');
    expect([code, result.counts.done, result.total]).toEqual([0, 30, 30]);
    expect(await redis.ttl(`${TASK}7`)).toBeGreaterThan(DAY - 60);
    expect(await redis.ttl(`${TASK}has`)).toBeGreaterThan(9 * DAY);
    for (const key of ['app:staging:task:u1:t', 'app:prod:task::t', 'config:a', 'stray']) {
      expect(await redis.ttl(key)).toBe(-1);
    }
    expect(estate.audited()).toMatchObject([
      { action: 'keys fix-ttl', result: 'done', detail: { done: 30 } },
    ]);
    expect((await estate.json('audit', 'main', '--fix-ttl', '--yes')).result.total).toBe(0);
  });

  it('never changes a TTL that somebody sets while it works', async () => {
    await fill(redis, TASK, 4_000);
    const estate = audited();
    const fixing = estate.json('audit', 'main', '--fix-ttl', '--yes', '--rate', '4000');
    const writer = (async () => {
      // Behind the choosing and ahead of the changes: the keys are chosen as without a TTL.
      while (!(await redis.keys('*')).length);
      for (let at = 0; at < 4_000; at += 7) {
        if (at % 14 === 0) await redis.expire(`${TASK}${at}`, 10, 'NX');
        else await redis.set(`${TASK}${at}`, 'new', 'EX', 10);
      }
    })();
    const { result } = await fixing;
    await writer;
    const ttls = await Promise.all(
      Array.from({ length: 4_000 }, (_, at) => redis.ttl(`${TASK}${at}`)),
    );
    // Whoever was first has set it; what was written anew has the writer's own.
    expect(ttls.every((ttl) => ttl > 0)).toBe(true);
    expect(ttls.filter((ttl) => ttl <= 10).length).toBeGreaterThanOrEqual(result.counts.raced);
    for (let at = 7; at < 4_000; at += 14) expect(ttls[at]).toBeLessThanOrEqual(10);
  });

  it('in production needs the name, and with a missing right changes nothing', async () => {
    await fill(redis, TASK, 3);
    const production = keysOn(server.url, { environment: 'production', keys: RULES });
    expect((await production.keys(['audit', 'main', '--fix-ttl', '--yes'])).code).toBe(6);
    const url = server.url.replace('redis://', 'redis://scanner:pw@');
    const { code, error } = await audited(RULES, url).json('audit', 'main', '--fix-ttl', '--yes');
    expect([code, error.message]).toEqual([6, expect.stringContaining('may not run PEXPIRE')]);
    expect(await redis.ttl(`${TASK}1`)).toBe(-1);
  });
});
