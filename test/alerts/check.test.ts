import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { command } from '../servers/command.js';
import { freePort } from '../servers/ports.js';
import { until } from '../servers/wait.js';
import {
  alertEstate,
  killed,
  MINUTE,
  redisFor,
  redisOf100,
  restarted,
  startHook,
} from './estate.js';

describe('alert check', () => {
  it('says once that memory is over 80 %, though it goes to and fro, and once that it is not', async () => {
    const { redis, fill } = await redisOf100();
    const hook = await startHook();
    const { check, clock } = alertEstate({
      redis: { main: redis.url },
      alerts: { sinks: [hook.sink] },
    });
    const seen: string[] = [];
    for (const percent of [79, 81, 79, 81, 81, 79, 81, 79, 60, 60]) {
      await fill(percent);
      const { line, code } = await check(['--notify']);
      seen.push(`${line('memory')?.phase} ${code}`);
      clock.now += MINUTE;
    }
    expect(seen).toEqual([
      'inactive 0',
      'pending 0',
      'pending 0',
      'firing 3',
      'firing 3',
      'firing 3',
      'firing 3',
      'firing 3',
      'resolved 0',
      'inactive 0',
    ]);
    expect(hook.told()).toEqual(['firing memory', 'resolved memory']);
    const [firing, resolved] = hook.notifications();
    expect(firing).toMatchObject({
      kind: 'firing',
      group: 'redis:main',
      alerts: [
        {
          fingerprint: 'memory redis:main',
          severity: 'warn',
          state: 'firing',
          startedAt: '2026-03-01T12:03:00.000Z',
          summary: expect.stringMatching(/^memory at 81 % of maxmemory 100 MB, policy noeviction$/),
          action: expect.stringContaining('cache-ops memory bigkeys'),
        },
      ],
    });
    expect(resolved?.alerts[0]).toMatchObject({
      state: 'resolved',
      endedAt: '2026-03-01T12:08:00.000Z',
      summary: expect.stringContaining('memory at 60 %'),
    });
  });

  it('says it again after four hours, and at once when it becomes critical', async () => {
    const { redis, fill } = await redisOf100();
    const hook = await startHook();
    const { check, clock } = alertEstate({
      redis: { main: redis.url },
      alerts: { sinks: [hook.sink], rules: [{ rule: 'memory', for: 0 }] },
    });
    await fill(82);
    for (let hour = 0; hour <= 4; hour += 1) {
      await check(['--notify']);
      clock.now += 60 * MINUTE;
    }
    await fill(92);
    await check(['--notify']);
    await fill(82);
    await check(['--notify']);
    await fill(92);
    await check(['--notify']);
    expect(hook.told()).toEqual(['firing memory', 'repeat memory', 'firing memory']);
    expect(hook.notifications().map(({ alerts }) => alerts[0]?.severity)).toEqual([
      'warn',
      'warn',
      'critical',
    ]);
  });

  it('does not call a cache full that is full by design: it tells evictions', async () => {
    const { redis } = await redisOf100('allkeys-lru');
    await command(redis.port, 'CONFIG SET maxmemory 3mb');
    const { check, clock } = alertEstate({ redis: { main: redis.url } });
    const write = () =>
      command(
        redis.port,
        Array.from({ length: 400 }, (_, i) => `SETRANGE k${i} 16000 x`).join('\r\n'),
      );
    await write();
    await check();
    const phases: (string | undefined)[] = [];
    for (let minute = 0; minute < 7; minute += 1) {
      clock.now += MINUTE;
      await write();
      const { line } = await check();
      phases.push(line('evictions')?.phase);
      expect([line('memory'), line('forecast')]).toEqual([undefined, undefined]);
    }
    expect(phases).toEqual([...Array(5).fill('pending'), 'firing', 'firing']);
  });

  it('tells that a Redis is down, and nothing else of it or its queues and applications', async () => {
    const { redis, fill } = await redisOf100();
    const hook = await startHook();
    const { check, clock } = alertEstate({
      redis: { main: { url: redis.url, roles: ['cache', 'queue'] } },
      queues: [{ engine: 'bullmq', redis: 'main' }],
      applications: { backend: { health: `http://127.0.0.1:${await freePort()}/` } },
      alerts: {
        sinks: [hook.sink],
        rules: [
          { rule: 'memory', for: 0 },
          { rule: 'down', targets: ['application:backend'], off: true },
        ],
      },
    });
    await fill(85);
    expect((await check(['--notify'])).states).toContain('firing warn memory');
    await killed(redis);
    clock.now += MINUTE;
    const { code, result, line, states } = await check(['--notify']);
    expect([code, result.status]).toEqual([3, 'critical']);
    expect(states).toContain('firing critical down');
    expect(line('memory')).toMatchObject({
      phase: 'firing',
      value: null,
      inhibited_by: 'redis:main',
      summary: expect.stringContaining('now unknown: down: '),
    });
    expect(line('latency')).toMatchObject({ phase: 'unknown', inhibited_by: 'redis:main' });
    expect(result.counts.unknown).toBe(0);
    clock.now += 5 * 60 * MINUTE;
    await check(['--notify']);
    expect(hook.told()).toEqual(['firing memory', 'firing down', 'repeat down']);
    expect(hook.notifications()[1]?.alerts[0]).toMatchObject({
      summary: expect.stringMatching(/^down: .*(refused|closed)/),
      severity: 'critical',
    });
  });

  it('resolves down, and takes up what it has inhibited, when the Redis is back', async () => {
    const { redis } = await redisOf100();
    const hook = await startHook();
    const { check, clock } = alertEstate({
      redis: { main: redis.url },
      alerts: { sinks: [hook.sink] },
    });
    await check(['--notify']);
    await killed(redis);
    clock.now += MINUTE;
    await check(['--notify']);
    await restarted(redis);
    for (const _ of [1, 2]) {
      clock.now += MINUTE;
      await check(['--notify']);
    }
    expect(hook.told()).toEqual(['firing down', 'resolved down']);
  });

  it('does not take loading for down', async () => {
    const redis = await redisFor({ config: ['enable-debug-command yes'] });
    await command(redis.port, 'DEBUG POPULATE 20000 key 100');
    await command(redis.port, 'CONFIG SET key-load-delay 200');
    const { check } = alertEstate({ redis: { main: redis.url } });
    await command(redis.port, 'CONFIG SET loading-process-events-interval-bytes 1024');
    const reloading = command(redis.port, 'DEBUG RELOAD').catch(() => {});
    let state: string[] = [];
    await until(async () => {
      state = (await check()).states;
      return state.some((each) => each.includes('loading'));
    });
    expect(state.filter((each) => /firing|down/.test(each))).toEqual([]);
    await command(redis.port, 'CONFIG SET key-load-delay 0').catch(() => {});
    await reloading;
  });

  it('judges conditions of one’s own', async () => {
    const { redis, fill } = await redisOf100();
    const { check } = alertEstate({
      redis: { main: redis.url },
      alerts: {
        rules: [
          {
            name: 'busy',
            when: 'memory.used_ratio > 70% and clients.connected < 10',
            severity: 'critical',
            action: 'call the owner',
          },
        ],
      },
    });
    await fill(60);
    expect((await check()).states).toEqual([]);
    await fill(72);
    const { code, states, line } = await check();
    expect([code, states]).toEqual([3, ['firing critical busy']]);
    expect(line('busy')).toMatchObject({
      summary: expect.stringMatching(/: memory.used_ratio 0.72\d*, clients.connected 1$/),
      action: 'call the owner',
    });
  });

  it('evaluates the rest where rules and sinks make no sense, and says so', async () => {
    const { redis } = await redisOf100();
    const hook = await startHook();
    const { run, check } = alertEstate({
      redis: { main: redis.url, gone: `redis://127.0.0.1:${await freePort()}` },
      alerts: {
        rules: [
          { name: 'typo', when: 'memory.used_ratio >> 1' },
          { name: 'unknown', when: 'memry.used_ratio > 1' },
        ],
        sinks: [
          hook.sink,
          { name: 'silent', type: 'webhook', url: 'http://127.0.0.1:1/', secret: '${NOT_SET}' },
        ],
      },
    });
    const { code, result, states } = await check(['--notify']);
    expect(code).toBe(3);
    expect(states).toEqual(['firing critical down']);
    expect(result.problems.map(({ path }) => path)).toEqual([
      'alerts.rules.0.when',
      'alerts.rules.1.when',
      'alerts.sinks.1.secret',
    ]);
    expect(hook.told()).toEqual(['firing down']);
    const { stderr } = await run(['alert', 'check']);
    expect(stderr).toMatch(/alerts\.rules\.0\.when: column 20: expected a number or a metric/);
    expect(stderr).toMatch(/alerts\.rules\.1\.when: .*did you mean memory.used_ratio\?/);
    expect(stderr).toMatch(/sink silent: the environment variable NOT_SET is not set/);
    const { code: checked, stdout } = await run(['config', 'check']);
    expect(checked).toBe(2);
    expect(stdout).toContain('alerts.rules.0.when');
    const fine = alertEstate({
      redis: { main: redis.url },
      alerts: { rules: [{ rule: 'memry' }] },
    });
    expect((await fine.check()).code).toBe(4);
  });

  it('hands over once more what it had not when it was killed, and the outbox knows what it had', async () => {
    const { redis } = await redisOf100();
    const hook = await startHook();
    const { check, folder } = alertEstate({
      redis: { main: redis.url },
      alerts: { rules: [{ name: 'few', when: 'clients.connected < 100' }], sinks: [hook.sink] },
    });
    await check(['--notify']);
    const alerts = join(folder, 'state', 'cache-ops', 'alerts');
    const file = join(alerts, readdirSync(alerts)[0] ?? '', 'state.json');
    const state = JSON.parse(readFileSync(file, 'utf8'));
    const [told] = hook.notifications();
    writeFileSync(file, JSON.stringify({ ...state, outgoing: [told, { ...told, id: 'never' }] }));
    await check(['--notify']);
    await check(['--notify']);
    expect(hook.notifications().map(({ id }) => id)).toEqual([told?.id, 'never']);
  });

  it('refuses a state that is damaged, or of a newer version, rather than begin anew', async () => {
    const { redis } = await redisOf100();
    const { check, folder, run } = alertEstate({ redis: { main: redis.url } });
    await check();
    const alerts = join(folder, 'state', 'cache-ops', 'alerts');
    const file = join(alerts, readdirSync(alerts)[0] ?? '', 'state.json');
    writeFileSync(file, '{"version":2}');
    const { code, stderr } = await run(['alert', 'check']);
    expect([code, stderr]).toEqual([
      1,
      expect.stringMatching(/is of version 2, and this .* knows 1/),
    ]);
    writeFileSync(file, '{"version":1,"at":"yesterday"}');
    expect((await run(['alert', 'check'])).stderr).toContain('state.json is damaged');
  });

  it('delivers what a sink that was away did not get, each message once', async () => {
    const { redis, fill } = await redisOf100();
    const port = await freePort();
    const { check, clock } = alertEstate({
      redis: { main: redis.url },
      alerts: {
        rules: [{ rule: 'memory', for: 0 }],
        sinks: [
          {
            name: 'late',
            type: 'webhook',
            url: `http://127.0.0.1:${port}/`,
            secret: 'x',
            timeout: 200,
          },
        ],
      },
    });
    await fill(85);
    const { result } = await check(['--notify', '--timeout', '500ms']);
    expect(result.told).toEqual({ delivered: 0, waiting: 1 });
    await fill(50);
    clock.now += MINUTE;
    await check(['--notify', '--timeout', '500ms']);
    const { startReceiver } = await import('./receiver.js');
    const receiver = await startReceiver(undefined, port);
    clock.now += 60 * MINUTE;
    expect((await check(['--notify'])).result.told).toEqual({ delivered: 2, waiting: 0 });
    await check(['--notify']);
    expect(receiver.requests.map(({ body }) => JSON.parse(body).kind)).toEqual([
      'firing',
      'resolved',
    ]);
  });
});
