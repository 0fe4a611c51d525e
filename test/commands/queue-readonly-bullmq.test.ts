import type { Redis } from 'ioredis';
import { Redis as Client } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { configured } from '../health/estate.js';
import { fingerprint, populate } from '../queues/bullmq.js';
import { LIBRARIES } from '../queues/bullmq-writing.js';
import { type RedisServer, startRedis } from '../servers/redis.js';

let server: RedisServer;
let redis: Redis;
beforeAll(async () => {
  server = await startRedis({
    users: [
      'default on nopass ~* &* +@all',
      'viewer on >pw %R~* resetchannels +@read +scan +ping +auth',
      'looker on >pw %R~* resetchannels +@read +scan +ping +auth +eval_ro +evalsha_ro',
    ],
  });
  redis = new Client(server.port);
});
afterAll(async () => {
  redis.disconnect();
  await server.stop();
});

/** The command line as a user of Redis. */
function cliOf(url: string) {
  const { run } = configured({
    redis: { main: { url } },
    queues: [{ engine: 'bullmq', redis: 'main' }],
  });
  return async (...argv: string[]) => {
    const { code, stdout, stderr } = await run(['queue', ...argv, '--json']);
    const lines = stdout.split('\n').filter(Boolean);
    return {
      code,
      stderr,
      documents: lines.map((line) => JSON.parse(line)),
      error: stdout === '' ? JSON.parse(stderr).error : undefined,
    };
  };
}
const as = (user: string) => cliOf(server.url.replace('//', `//${user}:pw@`));

/** Every verb that changes jobs, for all of them. */
const CHANGES = [
  ['retry', '--queue', 'mail', '--all'],
  ['cancel', '--queue', 'mail', '--all'],
  ['rm', '--queue', 'mail', '--all', '--cascade'],
  ['promote', '--queue', 'mail', '--all'],
  ['clean', 'mail', '--state', 'completed,failed', '--older-than', '0s', '--keep', '0'],
];

describe.each(LIBRARIES)('an estate of %s', (library) => {
  beforeAll(async () => {
    await redis.flushall();
    const estate = await populate(library, 'mail', { host: '127.0.0.1', port: server.port });
    await estate.queue.pause();
    await estate.close();
    await redis.zadd('bull:mail:completed', 1, 'ghost');
  });

  it('is read by every command without a change, as any user', async () => {
    const before = await fingerprint(server.port);
    for (const cli of [cliOf(server.url), as('viewer'), as('looker')]) {
      const { documents } = await cli('jobs', 'mail', '--limit', '0');
      expect(documents).toHaveLength(22);
      const reads = [
        ['ls'],
        ['ls', '--discover', '--sample', '10ms'],
        ['stats'],
        ['stats', 'mail', '--newest', '3'],
        ['jobs'],
        ['jobs', '--error', 'ETIMEDOUT', '--data', 'n=1', '--newer-than', '1h'],
        ...documents
          .slice(0, -1)
          .filter(({ problem }) => problem === null)
          .map(({ id }) => ['show', id, '--full']),
        ['pause', 'mail', '--dry-run'],
        ['resume', 'mail', '--dry-run'],
        ['history'],
      ];
      for (const argv of reads) {
        const { code, stderr } = await cli(...argv);
        expect({ argv, code, stderr }).toMatchObject({ code: 0 });
      }
    }
    expect(await fingerprint(server.port)).toEqual(before);
  });

  it('has its changes previewed by who may run scripts that only read, as by its owner', async () => {
    const before = await fingerprint(server.port);
    for (const argv of CHANGES) {
      const owner = await cliOf(server.url)(...argv, '--dry-run');
      const looker = await as('looker')(...argv, '--dry-run');
      expect({ argv, code: owner.code }).toMatchObject({ code: 0 });
      expect(owner.documents[0].jobs).toBeGreaterThan(0);
      expect(looker).toEqual(owner);
    }
    expect(await fingerprint(server.port)).toEqual(before);
  });

  it('tells who may not run scripts which right a dry run needs', async () => {
    const before = await fingerprint(server.port);
    for (const argv of CHANGES) {
      const { code, error } = await as('viewer')(...argv, '--dry-run');
      expect({ argv, code, error }).toMatchObject({
        code: 6,
        error: {
          message: expect.stringMatching(/may not run scripts: what would become/),
          hint: expect.stringContaining('+eval_ro +evalsha_ro'),
        },
      });
    }
    expect(await fingerprint(server.port)).toEqual(before);
  });

  it('is changed by no one who may only read: exit 6, and not a key is another one', async () => {
    const before = await fingerprint(server.port);
    for (const user of ['viewer', 'looker']) {
      for (const argv of [...CHANGES, ['resume', 'mail']]) {
        const { code, stderr } = await as(user)(...argv, '--yes');
        expect({ argv, code, stderr }).toMatchObject({
          code: 6,
          stderr: expect.stringMatching(/^\{"error":\{"code":"refused",.*\n$/),
        });
      }
    }
    expect(await fingerprint(server.port)).toEqual(before);
  });
});

it('a Redis without the read-only forms of EVAL, as before 7, previews by the others', async () => {
  const old = await startRedis({
    config: ['rename-command EVAL_RO ""', 'rename-command EVALSHA_RO ""'],
  });
  try {
    const estate = await populate('bullmq', 'mail', { host: '127.0.0.1', port: old.port });
    await estate.close();
    const before = await fingerprint(old.port);
    for (const argv of CHANGES)
      expect((await cliOf(old.url)(...argv, '--dry-run')).documents[0].jobs).toBeGreaterThan(0);
    expect(await fingerprint(old.port)).toEqual(before);
  } finally {
    await old.stop();
  }
});
