import { Redis } from 'ioredis';
import { describe, expect, it } from 'vitest';
import { freePort } from '../servers/ports.js';
import { startRedis } from '../servers/redis.js';
import { until } from '../servers/wait.js';
import { startDouble, startProxy } from './doubles.js';
import { checksOf, onEstate, PASSWORD } from './estate.js';

describe.concurrent('a Redis that is not well', () => {
  it('dead or hung: its own checks fail and are skipped, the others pass; exit 5', async () => {
    const dead = await freePort();
    const hung = await startRedis();
    hung.kill('SIGSTOP');
    try {
      const redis = [
        `  dead: { url: "redis://127.0.0.1:${dead}" }`,
        `  hung: { url: "${hung.url}" }`,
      ];
      await onEstate({ redis }, async (estate) => {
        const outcome = await estate.run(['--json', '--timeout', '1500ms']);
        expect(outcome.code).toBe(5);
        const { status, detail, failed } = checksOf(outcome);
        expect(failed).toEqual(['dead ping', 'hung ping']);
        expect(detail['dead ping']).toMatch(/ECONNREFUSED/);
        expect(detail['hung ping']).toMatch(/^no (answer|connection) within 1500 ms$/);
        for (const name of ['dead', 'hung'])
          for (const check of ['write-read', 'ttl']) {
            expect(status[`${name} ${check}`]).toBe('skipped');
            expect(detail[`${name} ${check}`]).toBe('not connected');
          }
        expect(status['main ttl']).toBe('passed');
        expect(JSON.parse(outcome.stdout).took_ms).toBeLessThan(5_000);
      });
    } finally {
      hung.kill('SIGCONT');
      await hung.stop();
    }
  });

  it('a read-only replica where a master is configured: says so; exit 3', async () => {
    const replica = await startRedis({ config: ['replicaof 127.0.0.1 1'] });
    try {
      const redis = [`  copy: { url: "${replica.url}" }`];
      await onEstate({ redis, head: ['environment: production'] }, async (estate) => {
        const outcome = await estate.run(['--json']);
        expect(outcome.code).toBe(3);
        const { failed, detail, status } = checksOf(outcome);
        expect(failed).toEqual(['copy write-read']);
        expect(detail['copy write-read']).toMatch(
          /^READONLY: a replica answers where a master was expected/,
        );
        expect(status['copy ttl']).toBe('skipped');
        expect(JSON.parse(outcome.stdout).leftovers).toEqual([]);
      });
    } finally {
      await replica.stop();
    }
  });

  it('slow: the large value fails with its figure; slow once: it does not', async () => {
    await onEstate({}, async ({ redis, run }) => {
      let noisy = true;
      const slow = await startProxy(redis.port, () => 20);
      const once = await startProxy(redis.port, (chunk) => {
        if (!noisy || !chunk.includes(':50kb')) return 0;
        noisy = false;
        return 600;
      });
      const url = (port: number) => `redis://:${encodeURIComponent(PASSWORD)}@127.0.0.1:${port}`;
      try {
        const failing = await run(['--json', '--target', url(slow.port)]);
        expect(failing.code).toBe(3);
        expect(checksOf(failing).failed).toEqual([]);
        expect(checksOf(failing).detail[`127.0.0.1:${slow.port} 50kb`]).toMatch(
          /^\d+\.\d\d ms, best of 3; the limit is 10 ms$/,
        );
        const passing = await run(['--json', '--target', url(once.port)]);
        const detail = checksOf(passing).detail[`127.0.0.1:${once.port} 50kb`] ?? '';
        const [, figure, attempts] = /^([\d.]+) ms, best of (\d)/.exec(detail) ?? [];
        expect(Number(figure)).toBeLessThan(600);
        expect(Number(attempts)).toBeGreaterThan(1);
      } finally {
        slow.stop();
        once.stop();
      }
    });
  });

  it('a user without the right to write, a full memory, a database that is not there', async () => {
    const redis = await startRedis({
      users: ['reader on >geheim ~* +@read +@connection +info', 'default on nopass ~* +@all'],
    });
    const full = await startRedis({ config: ['maxmemory 1', 'maxmemory-policy noeviction'] });
    try {
      const more = [
        `  reader: { url: "${redis.url}", username: reader, password: geheim }`,
        `  full: { url: "${full.url}" }`,
        `  nodb: { url: "${redis.url}/99" }`,
      ];
      await onEstate({ redis: more }, async (estate) => {
        const outcome = await estate.run(['--json']);
        const { detail, failed } = checksOf(outcome);
        expect(outcome.code).toBe(5);
        expect(failed).toEqual(['reader write-read', 'full write-read', 'nodb ping']);
        expect(detail['reader write-read']).toMatch(/NOPERM/);
        expect(detail['full write-read']).toMatch(/OOM/);
        expect(detail['nodb ping']).toMatch(/DB index is out of range/);
      });
      const client = new Redis(redis.port);
      expect(await client.dbsize()).toBe(0);
      client.disconnect();
    } finally {
      await redis.stop();
      await full.stop();
    }
  });

  it('evicts or deletes too early: the ttl check sees it', () =>
    onEstate({}, async (estate) => {
      const running = estate.run(['--json']);
      const own = async () => (await estate.keys()).find((key) => key.endsWith(':main:ttl'));
      await until(async () => (await own()) !== undefined);
      await estate.client.del((await own()) ?? '');
      const outcome = await running;
      expect(outcome.code).toBe(3);
      expect(checksOf(outcome).failed).toEqual(['main ttl']);
      expect(checksOf(outcome).detail['main ttl']).toMatch(/gone after \d+ of 2000 ms/);
    }));

  it('keeps what should have expired: the ttl check sees it', () =>
    onEstate({}, async (estate) => {
      const running = estate.run(['--json']);
      const own = async () => (await estate.keys()).find((key) => key.endsWith(':main:ttl'));
      await until(async () => (await own()) !== undefined);
      await estate.client.persist((await own()) ?? '');
      const outcome = await running;
      expect(outcome.code).toBe(3);
      expect(checksOf(outcome).detail['main ttl']).toMatch(/still there \d{4} ms after/);
      expect((await estate.keys()).filter((key) => key.includes(':main:'))).toEqual([]);
    }));

  it('cuts the connection in the middle: fails, and leaves no key all the same', () =>
    onEstate({}, async (estate) => {
      const running = estate.run(['--json']);
      await until(async () => (await estate.keys()).some((key) => key.endsWith(':main:ttl')));
      const me = await estate.client.client('ID');
      const list = String(await estate.client.client('LIST'));
      const others = [...list.matchAll(/^id=(\d+) /gm)].map(([, id]) => Number(id));
      for (const id of others)
        if (id !== me) await estate.client.call('CLIENT', 'KILL', 'ID', String(id));
      const outcome = await running;
      expect(outcome.code).toBe(3);
      expect(checksOf(outcome).failed).toContain('main ttl');
      expect((await estate.keys()).filter((key) => key.includes(':main:'))).toEqual([]);
    }));
});

describe.concurrent('an application that is not well', () => {
  it('in memory mode: neither its mode nor what it shares passes; exit 3', () =>
    onEstate({ services: ['redis', 'memory'] }, async (estate) => {
      const before = await estate.keys();
      const outcome = await estate.run(['--json']);
      expect(outcome.code).toBe(3);
      const { failed, detail } = checksOf(outcome);
      expect(failed).toEqual([
        'app-1 read-through app-2',
        'app-2 mode',
        'app-2 read-through app-1',
      ]);
      expect(detail['app-2 mode']).toBe('the health says memory mode, expected redis');
      expect(detail['app-1 read-through app-2']).toBe('the value is missing');
      expect(await estate.keys()).toEqual(before);
    }));

  it('after a rollback memory mode is what is expected, also while Redis is away', () =>
    onEstate({ services: ['memory', 'memory'] }, async (estate) => {
      const healthy = await estate.run(['--json', '--expect-mode', 'memory']);
      expect(healthy.code).toBe(checksOf(healthy).well);
      expect(checksOf(healthy).status).toMatchObject({
        'app-1 mode': 'passed',
        'app-1 read-back': 'passed',
        'app-2 read-back': 'passed',
        'main ttl': 'passed',
      });
      estate.redis.kill('SIGKILL');
      const argv = ['--expect-mode', 'memory', '--no-redis'];
      expect((await estate.run(argv)).code).toBe(0);
    }));

  it('reads another value, even one that repeats the key', async () => {
    const double = await startDouble({ read: () => 'what somebody else wrote' });
    try {
      await onEstate({ urls: [double.url] }, async (estate) => {
        const outcome = await estate.run(['--json', '--no-redis']);
        expect(outcome.code).toBe(3);
        expect(checksOf(outcome).failed).toEqual(['app-1 read-back']);
        expect(checksOf(outcome).detail['app-1 read-back']).toBe('another value was read');
        expect(double.values.size).toBe(0);
      });
    } finally {
      await double.stop();
    }
  });

  it('is not there: the checks that need it are skipped, the others are made', async () => {
    const dead = await freePort();
    await onEstate({ services: ['redis'], urls: [`http://127.0.0.1:${dead}`] }, async (estate) => {
      const outcome = await estate.run(['--json', '--no-redis']);
      expect(outcome.code).toBe(3);
      expect(checksOf(outcome).status).toEqual({
        'app-1 mode': 'passed',
        'app-1 write': 'passed',
        'app-1 read-through app-2': 'skipped',
        'app-2 mode': 'failed',
        'app-2 write': 'skipped',
        'app-2 read-through app-1': 'skipped',
      });
      expect(checksOf(outcome).detail['app-2 mode']).toMatch(/ECONNREFUSED/);
    });
  });

  it('does not delete: says which key stays behind', async () => {
    const double = await startDouble({ deleteStatus: 500 });
    try {
      await onEstate({ urls: [double.url] }, async (estate) => {
        const outcome = await estate.run(['--no-redis']);
        expect(outcome.code).toBe(0);
        expect(outcome.stderr).toMatch(
          /app-1: cache-ops-smoke-[0-9a-f]{16}-app-1 was not removed \(answered 500\)/,
        );
      });
    } finally {
      await double.stop();
    }
  });

  it('never tells a secret: not of the Redis, not of a header, not of a URL', async () => {
    const double = await startDouble({ health: () => ({ status: 500, body: PASSWORD }) });
    const secret = double.url.replace('//', '//user:geheim@');
    try {
      await onEstate(
        {
          urls: [double.url, secret],
          application: ['    headers: { authorization: "Bearer t0ken\\ngeheim" }'],
          redis: ['  wrong: { url: "redis://:falsch@127.0.0.1:1" }'],
        },
        async (estate) => {
          const outcomes = await Promise.all(
            [[], ['--json'], ['--quiet']].map((argv) =>
              estate.run(argv, { env: { GITHUB_ACTIONS: 'true' } }),
            ),
          );
          for (const { code, stdout, stderr } of outcomes) {
            expect(code).toBe(5);
            expect(stdout + stderr).not.toMatch(/geheim|t0ken|falsch|pass word/);
          }
        },
      );
    } finally {
      await double.stop();
    }
  });
});
