import { rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { connect } from 'node:net';
import { Redis } from 'ioredis';
import { describe, expect, it, onTestFinished } from 'vitest';
import { command } from '../servers/command.js';
import { listenTo } from '../servers/listening.js';
import { freePort } from '../servers/ports.js';
import { until } from '../servers/wait.js';
import { alertEstate, MB, MINUTE, redisFor } from './estate.js';

/** Connections that stay until the test ends. */
async function connections(port: number, count: number): Promise<void> {
  await Promise.all(
    Array.from({ length: count }, async () => {
      const socket = connect(port, '127.0.0.1').on('error', () => {});
      onTestFinished(() => void socket.destroy());
      await new Promise((resolve) => socket.once('connect', resolve).once('error', resolve));
      // Where it is let in.
      socket.write('PING\r\n');
      await new Promise((resolve) => socket.once('data', resolve).once('close', resolve));
    }),
  );
}

describe('a rule that is built in fires on the fault that it is for', () => {
  it('jobs evicted from a Redis with queues, which a cache may', async () => {
    const config = ['maxmemory 10mb', 'maxmemory-policy allkeys-lru'];
    const redis = await redisFor({ config });
    const { check, clock } = alertEstate({
      redis: { main: { url: redis.url, roles: ['queue'] } },
    });
    expect((await check()).line('policy')).toMatchObject({ phase: 'firing', severity: 'warn' });
    for (let key = 0; key < 12; key += 1) await command(redis.port, `SETRANGE key:${key} ${MB} x`);
    clock.now += MINUTE;
    expect((await check()).line('jobs_evicted')).toMatchObject({
      phase: 'firing',
      severity: 'critical',
      summary: expect.stringMatching(/jobs may be lost/),
      action: expect.stringMatching(/noeviction/),
    });
  });

  it('connections, of a number and of maxclients, and those that are rejected', async () => {
    const redis = await redisFor({ config: ['maxclients 120'] });
    const admin = new Redis(redis.port);
    onTestFinished(() => admin.disconnect());
    const { check, clock } = alertEstate({ redis: { main: redis.url } });
    await check();
    await connections(redis.port, 112);
    clock.now += MINUTE;
    const first = await check();
    expect(first.line('clients')?.phase).toBe('pending');
    expect(first.line('clients_full')).toMatchObject({ severity: 'critical' });
    await connections(redis.port, 12);
    // Room for the look itself.
    await admin.config('SET', 'maxclients', 130);
    clock.now += 2 * MINUTE;
    const { line } = await check();
    expect(line('clients')).toMatchObject({ phase: 'firing', severity: 'warn' });
    expect(line('rejected')).toMatchObject({ phase: 'firing', severity: 'critical' });
  });

  it('a save that failed', async () => {
    const redis = await redisFor();
    const { check } = alertEstate({ redis: { main: redis.url } });
    expect((await check()).line('persistence')?.phase).toBe('inactive');
    rmSync(redis.dir, { recursive: true });
    onTestFinished(() => void process.kill(pid, 'SIGKILL'));
    const pid = Number(/process_id:(\d+)/.exec(await command(redis.port, 'INFO server'))?.[1]);
    await command(redis.port, 'BGSAVE');
    await until(async () =>
      (await command(redis.port, 'INFO persistence')).includes('rdb_last_bgsave_status:err'),
    );
    expect((await check()).line('persistence')).toMatchObject({
      phase: 'firing',
      severity: 'critical',
      summary: 'the last RDB save failed',
    });
  });

  it('a replica that has lost its master, after a minute', async () => {
    const redis = await redisFor({ config: [`replicaof 127.0.0.1 ${await freePort()}`] });
    const { check, clock } = alertEstate({ redis: { main: { url: redis.url, replica: true } } });
    expect((await check()).line('replication')?.phase).toBe('pending');
    clock.now += MINUTE;
    expect((await check()).line('replication')).toMatchObject({
      phase: 'firing',
      severity: 'critical',
    });
  });

  it('a way to Redis that is slow for two minutes', async () => {
    const redis = await redisFor();
    const proxy = await listenTo(redis.port, 60);
    onTestFinished(() => proxy.stop());
    const { check, clock } = alertEstate({ redis: { main: `redis://127.0.0.1:${proxy.port}` } });
    expect((await check()).line('latency')?.phase).toBe('pending');
    clock.now += 2 * MINUTE;
    const { line } = await check();
    expect(line('latency')).toMatchObject({ phase: 'firing' });
    expect(line('latency')?.value).toBeGreaterThanOrEqual(60);
  });

  it('an application that does without Redis, after a minute', async () => {
    const redis = await redisFor();
    const server = createServer((_, response) => response.end('{"cache":"memory"}'));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void server.close());
    const { port } = server.address() as AddressInfo;
    const { check, clock } = alertEstate({
      redis: { main: redis.url },
      applications: {
        backend: {
          health: `http://127.0.0.1:${port}/`,
          mode: { at: '/cache', redis: 'redis', memory: 'memory' },
        },
      },
    });
    expect((await check()).line('mode', 'application:backend')?.phase).toBe('pending');
    clock.now += MINUTE;
    expect((await check()).line('mode', 'application:backend')).toMatchObject({
      phase: 'firing',
      severity: 'warn',
    });
  });
});

describe('alert rules', () => {
  it('says of every rule in force where it comes from, and what it is now', async () => {
    const { run } = alertEstate({
      redis: { main: 'redis://127.0.0.1:1' },
      alerts: {
        rules: [
          { rule: 'memory', warn: '70%' },
          { rule: 'operations', off: true },
          { name: 'busy', when: 'clients.connected > 10' },
        ],
      },
    });
    const { code, stdout } = await run(['alert', 'rules', '--json']);
    const rules = JSON.parse(stdout).rules as { name: string; kind: string }[];
    const rule = (name: string) => rules.find((one) => one.name === name);
    expect(code).toBe(0);
    expect(rule('memory')).toMatchObject({
      warn: 0.7,
      from: expect.stringMatching(/cache-ops\.yaml alerts\.rules\.0$/),
    });
    expect(rule('operations')).toMatchObject({ off: true });
    expect(rule('busy')).toMatchObject({ from: expect.stringMatching(/alerts\.rules\.2$/) });
    expect(rule('depth')).toMatchObject({ from: 'built in', kind: 'queue' });
    expect((await run(['alert', 'rules'])).stdout).toMatch(/alerts\.rules\.2/);
  });
});
