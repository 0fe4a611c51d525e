import { appendFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { runCli } from '../cli.js';
import { startCluster } from '../servers/cluster.js';
import { command } from '../servers/command.js';
import { freePort } from '../servers/ports.js';
import type { RedisServer } from '../servers/redis.js';
import { startSentinel } from '../servers/sentinel.js';
import { until } from '../servers/wait.js';
import { checksOf, onEstate, startEstate } from './estate.js';

const REDIS_CHECKS = ['ping', 'write-read', 'object', 'has-delete', '50kb', 'ttl'];

describe.concurrent('an estate that is well', () => {
  it('passes every check in under 5 s and leaves every key as it was', () =>
    onEstate({ services: ['redis', 'redis', 'redis'] }, async (estate) => {
      const before = await estate.keys();
      const outcome = await estate.run(['--json']);
      const { status, detail, failed, well } = checksOf(outcome);
      expect(outcome).toMatchObject({ code: well, stderr: '' });
      expect(failed).toEqual([]);
      expect(Object.values(status)).not.toContain('skipped');
      expect(Object.keys(status)).toEqual([
        ...REDIS_CHECKS.map((check) => `main ${check}`),
        ...['1 2 3', '2 1 3', '3 1 2'].flatMap((order) => {
          const [writer, ...readers] = order.split(' ');
          return ['mode', 'write', ...readers.map((reader) => `read-through app-${reader}`)].map(
            (check) => `app-${writer} ${check}`,
          );
        }),
      ]);
      expect(detail['main 50kb']).toMatch(/^\d+\.\d\d ms, best of [123]/);
      expect(detail['main ttl']).toMatch(/^gone after \d{4} ms$/);
      expect(JSON.parse(outcome.stdout)).toMatchObject({ ok: well === 0, leftovers: [] });
      expect(JSON.parse(outcome.stdout).took_ms).toBeLessThan(5_000);
      expect(await estate.keys()).toEqual(before);
      expect(await estate.client.get('langextract:cache-ops:smoke:other:ttl')).toBe('theirs');
    }));

  it('in production too writes only under its own prefix, with a TTL, and deletes by name', () =>
    onEstate({ head: ['environment: production'] }, async (estate) => {
      const monitor = await estate.client.monitor();
      const commands: string[][] = [];
      monitor.on('monitor', (_time, args: string[]) => commands.push(args));
      try {
        expect(checksOf(await estate.run(['--json'])).failed).toEqual([]);
      } finally {
        monitor.disconnect();
      }
      const named = (name: string) =>
        commands.filter(([first]) => first?.toLowerCase() === name).map(([, ...args]) => args);
      const sets = named('set');
      const own = /^langextract:cache-ops:smoke:[0-9a-f]{16}:main:[\w-]+$/;
      expect(sets.length).toBeGreaterThanOrEqual(5);
      for (const [key, , option, ttl] of sets) {
        expect(key).toMatch(own);
        expect(option).toBe('PX');
        expect(Number(ttl)).toBeLessThanOrEqual(60_000);
      }
      const written = new Set(sets.map(([key]) => key));
      for (const args of named('del')) {
        expect(args).toHaveLength(1);
        expect(written).toContain(args[0]);
      }
      const others = new Set(commands.map(([name]) => name?.toLowerCase()));
      for (const name of ['keys', 'scan', 'flushdb', 'flushall', 'unlink', 'eval'])
        expect(others).not.toContain(name);
    }));

  it('one application reads back through itself', () =>
    onEstate({ services: ['redis'] }, async (estate) => {
      const outcome = await estate.run(['--json', '--no-redis']);
      expect(outcome.code).toBe(0);
      expect(Object.keys(checksOf(outcome).status)).toEqual([
        'app-1 mode',
        'app-1 write',
        'app-1 read-back',
      ]);
    }));

  it('applications on different Redis are not expected to share', () =>
    onEstate(
      {
        services: ['redis', 'redis'],
        redis: ['  else: { url: "redis://127.0.0.1:1", roles: [queue] }'],
      },
      async (estate) => {
        appendFileSync(join(estate.folder, 'cache-ops.yaml'), '\n    redis: else');
        const outcome = await estate.run(['--json', '--no-redis']);
        expect(Object.keys(checksOf(outcome).status)).toContain('app-1 read-back');
        expect(Object.keys(checksOf(outcome).status)).toContain('app-2 read-back');
      },
    ));

  it('a cluster: the keys lie in many slots', async () => {
    const cluster = await startCluster();
    try {
      const config = join(cluster.masters[0]?.dir ?? '', 'cache-ops.yaml');
      const nodes = cluster.masters.map(({ port }) => `127.0.0.1:${port}`);
      writeFileSync(config, JSON.stringify({ redis: { main: { cluster: nodes } } }));
      const outcome = await runCli(['smoke', '--json', '-c', config]);
      expect(outcome).toMatchObject({ code: checksOf(outcome).well, stderr: '' });
      expect(checksOf(outcome).failed).toEqual([]);
      for (const { port } of cluster.masters) expect(await command(port, 'DBSIZE')).toBe(':0\r\n');

      // A cluster without all its slots: ioredis connects and never says so, the time limit does.
      const [first, , last] = cluster.masters as [RedisServer, RedisServer, RedisServer];
      last.kill('SIGKILL');
      await until(async () =>
        (await command(first.port, 'CLUSTER INFO')).includes('cluster_state:fail'),
      );
      const broken = await runCli(['smoke', '--json', '-c', config, '--timeout', '1s']);
      expect(broken.code).toBe(5);
      expect(JSON.parse(broken.stdout).took_ms).toBeLessThan(5_000);
    } finally {
      await cluster.stop();
    }
  });

  it('by Sentinel: the master is found; its replica and a Redis for queues are left alone', async () => {
    const estate = await startSentinel();
    try {
      const nodes = estate.sentinels.map(({ host, port }) => `${host}:${port}`);
      const config = join(estate.master.dir, 'cache-ops.yaml');
      writeFileSync(
        config,
        JSON.stringify({
          redis: {
            main: { sentinel: { name: 'main', nodes } },
            copy: { url: estate.replica.url, replica: true },
            jobs: { url: estate.master.url, roles: ['queue'] },
          },
        }),
      );
      const outcome = await runCli(['smoke', '--json', '-c', config]);
      expect(outcome).toMatchObject({ code: checksOf(outcome).well, stderr: '' });
      expect(checksOf(outcome).failed).toEqual([]);
      expect(Object.keys(checksOf(outcome).status)).toEqual(
        REDIS_CHECKS.map((check) => `main ${check}`),
      );
      expect(await command(estate.master.port, 'DBSIZE')).toBe(':0\r\n');
    } finally {
      await estate.stop();
    }
  });
});

describe('what is asked for', () => {
  it('refuses unknown and unfit names with the nearest one, and writes nothing', () =>
    onEstate(
      {
        services: ['redis'],
        redis: [
          '  copy: { url: "redis://127.0.0.1:1", replica: true }',
          '  jobs: { url: "redis://127.0.0.1:1", roles: [queue] }',
        ],
      },
      async (estate) => {
        const before = await estate.keys();
        const cases: [string[], RegExp][] = [
          [['--target', 'mian'], /no Redis is named "mian"[\s\S]*did you mean main/],
          [['--application', 'ap-1'], /no application is named "ap-1"[\s\S]*did you mean app-1/],
          [['--target', 'copy'], /copy is a read-only replica/],
          [['--target', 'jobs'], /jobs is no cache: its roles are queue/],
          [['--expect-mode', 'disk'], /Allowed choices are redis, memory/],
          [['--junit', join(estate.folder, 'none', 'x.xml')], /cannot write .*ENOENT/],
        ];
        for (const [argv, message] of cases) {
          const outcome = await estate.run(argv);
          expect(outcome).toMatchObject({ code: 2, stdout: '' });
          expect(outcome.stderr).toMatch(message);
        }
        expect(await estate.keys()).toEqual(before);
      },
    ));

  it('nothing to check is a mistake of the configuration, not a pass', async () => {
    const { folder, run, stop } = await startEstate();
    try {
      const outcome = await runCli(['smoke'], { cwd: join(folder, '..'), env: {} });
      expect(outcome).toMatchObject({ code: 2, stdout: '' });
      expect(outcome.stderr).toMatch(/nothing to check[\s\S]*hint: set REDIS_URL/);
      expect((await run(['--no-redis'])).code).toBe(2);
    } finally {
      await stop();
    }
  });

  it('restricts the run to the named ones', async () => {
    const dead = await freePort();
    await onEstate(
      {
        services: ['redis', 'memory'],
        redis: [`  gone: { url: "redis://127.0.0.1:${dead}" }`],
      },
      async (estate) => {
        const outcome = await estate.run([
          '--json',
          ...['--target', 'main', 'main', '--application', 'app-1'],
        ]);
        expect(outcome.code).toBe(checksOf(outcome).well);
        expect(Object.keys(checksOf(outcome).status)).toEqual([
          ...REDIS_CHECKS.map((check) => `main ${check}`),
          ...['app-1 mode', 'app-1 write', 'app-1 read-back'],
        ]);
      },
    );
  });
});
