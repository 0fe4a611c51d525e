import { describe, expect, it, onTestFinished } from 'vitest';
import { command } from '../servers/command.js';
import { freePort } from '../servers/ports.js';
import { isRunning } from '../servers/redis.js';
import { until } from '../servers/wait.js';
import { alertEstate, redisFor, startHook } from './estate.js';
import { startReceiver } from './receiver.js';

const MANY = { name: 'many', when: 'clients.connected > 0' };

/** `alert watch` in this process until it is stopped. */
function watching(estate: ReturnType<typeof alertEstate>, ...argv: string[]) {
  const controller = new AbortController();
  const ended = estate.run(['alert', 'watch', '--json', '--interval', '50ms', ...argv], {
    now: Date.now,
    signal: controller.signal,
  });
  onTestFinished(() => controller.abort());
  return {
    async stop() {
      controller.abort(new Error('enough'));
      const { code, stdout, stderr } = await ended;
      const lines = stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line));
      return { code, stderr, lines };
    },
  };
}

describe('alert watch', () => {
  it('tells what changes, once, after the wait of the group, and says so line by line', async () => {
    const redis = await redisFor({ config: ['maxmemory 100mb'] });
    const hook = await startHook();
    const estate = alertEstate({
      redis: { main: redis.url },
      alerts: { group_wait: '500ms', rules: [MANY], sinks: [hook.sink] },
    });
    const began = Date.now();
    const watch = watching(estate);
    await until(() => hook.told().length === 1);
    expect(Date.now() - began).toBeGreaterThanOrEqual(500);
    const { pid } = redis;
    redis.kill('SIGKILL');
    await until(() => !isRunning(pid));
    await until(() => hook.told().length === 2);
    const { code, lines } = await watch.stop();
    expect(hook.told()).toEqual(['firing many', 'firing down']);
    expect(code).toBe(130);
    const items = lines.filter(({ type }) => type === 'item');
    expect(items.map(({ rule, phase }) => `${rule} ${phase}`)).toEqual([
      'many firing',
      'down firing',
    ]);
    expect(items[0]).toMatchObject({ target: 'redis:main', severity: 'warn', value: 1 });
    expect(lines[1]).toMatchObject({
      type: 'progress',
      firing: 1,
      leads: true,
      took_ms: expect.any(Number),
    });
    expect(lines.at(-1)).toMatchObject({ type: 'summary', messages: 2 });
  });

  it('is one table on a terminal, drawn anew at each look', async () => {
    const redis = await redisFor({ config: ['maxmemory 100mb'] });
    const hook = await startHook();
    const { run } = alertEstate({
      redis: { main: redis.url },
      alerts: { group_wait: 0, rules: [MANY], sinks: [hook.sink] },
    });
    const controller = new AbortController();
    onTestFinished(() => controller.abort());
    const ended = run(['alert', 'watch', '--interval', '50ms', '--no-color'], {
      now: Date.now,
      signal: controller.signal,
      tty: true,
      columns: 80,
    });
    await until(() => hook.told().length === 1);
    redis.kill('SIGKILL');
    await until(() => hook.told().length === 2);
    controller.abort(new Error('enough'));
    const { code, stdout } = await ended;
    const [before, ...frames] = stdout.split('\x1b[H\x1b[2J');
    expect([code, before]).toEqual([130, '']);
    expect(frames[0]).toMatch(/firing.*many/);
    expect(frames[0]).not.toMatch(/firing.*down/);
    expect(frames.at(-1)).toMatch(/firing.*down/);
    expect(stdout).not.toContain('"type"');
  });

  it('groups by target', async () => {
    const redis = await redisFor();
    const hook = await startHook();
    const gone = await freePort();
    const estate = alertEstate({
      redis: {
        main: redis.url,
        gone: `redis://127.0.0.1:${gone}`,
        lost: `redis://127.0.0.1:${gone}`,
      },
      alerts: {
        group_wait: '200ms',
        rules: [MANY, { name: 'more', when: 'clients.connected > 0', severity: 'critical' }],
        sinks: [hook.sink],
      },
    });
    const watch = watching(estate);
    await until(() => hook.told().length === 3);
    await watch.stop();
    expect(
      hook
        .notifications()
        .map(({ group, alerts }) => [group, alerts.map(({ rule }) => rule)])
        .sort(),
    ).toEqual([
      ['redis:gone', ['down']],
      ['redis:lost', ['down']],
      ['redis:main', ['more', 'many']],
    ]);
  });

  it('is not kept from the next look by a sink that hangs', async () => {
    const redis = await redisFor();
    const hanging = await startReceiver(() => {});
    const estate = alertEstate({
      redis: { main: redis.url },
      alerts: {
        group_wait: 0,
        rules: [MANY],
        sinks: [{ name: 'hangs', type: 'webhook', url: hanging.url, secret: 'x' }],
      },
    });
    const watch = watching(estate);
    await until(() => hanging.requests.length === 1);
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    const { lines } = await watch.stop();
    expect(lines.filter(({ type }) => type === 'progress').length).toBeGreaterThan(3);
  });

  it('shows health, alerts and every value to Prometheus, and beats', async () => {
    const redis = await redisFor({ config: ['maxmemory 100mb'] });
    const beats = await startReceiver();
    const port = await freePort();
    const estate = alertEstate({
      redis: { main: redis.url },
      alerts: { rules: [MANY], heartbeat: `${beats.url}/beat/a-secret` },
    });
    const watch = watching(estate, '--metrics', `127.0.0.1:${port}`);
    await until(() => beats.requests.length > 1);
    const answer = await fetch(`http://127.0.0.1:${port}/metrics`);
    const text = await answer.text();
    expect(answer.headers.get('content-type')).toMatch(/^text\/plain; version=0.0.4/);
    for (const line of text.trim().split('\n'))
      expect(line).toMatch(/^(# (HELP|TYPE) cache_ops_\w+ .+|cache_ops_\w+(\{.*\})? -?[\d.e+-]+)$/);
    expect(text).toContain('cache_ops_up{target="redis:main",kind="redis"} 1\n');
    expect(text).toContain('cache_ops_memory_limit_bytes{target="redis:main"} 104857600\n');
    expect(text).toMatch(/cache_ops_latency_p95_seconds\{target="redis:main"\} 0\.0/);
    expect(text).toMatch(
      /cache_ops_alert\{rule="many",target="redis:main",state="firing",severity="warn"/,
    );
    expect(text).toMatch(/cache_ops_health 0\n/);
    expect((await fetch(`http://127.0.0.1:${port}/other`)).status).toBe(404);
    const { stderr } = await watch.stop();
    expect(beats.requests[0]?.path).toBe('/beat/a-secret');
    expect(stderr).not.toContain('a-secret');
    await expect(fetch(`http://127.0.0.1:${port}/metrics`)).rejects.toThrow();
  });

  it('says once that the heartbeat does not arrive', async () => {
    const redis = await redisFor();
    const estate = alertEstate({ redis: { main: redis.url } });
    const url = `http://127.0.0.1:${await freePort()}/a-secret`;
    const watch = watching(estate, '--heartbeat-url', url);
    await new Promise((resolve) => setTimeout(resolve, 800));
    const { stderr } = await watch.stop();
    expect(stderr.match(/the heartbeat cannot be sent: .*ECONNREFUSED/g)).toHaveLength(1);
    expect(stderr).not.toContain('a-secret');
  });

  it.each([
    [['--metrics', 'here'], '--metrics: "here" is no address'],
    [['--leader', 'mian'], 'no Redis is named "mian"'],
    [['--interval', 'often'], '--interval: "often" is not a duration'],
  ])('refuses %j', async (argv, message) => {
    const redis = await redisFor();
    const { run } = alertEstate({ redis: { main: redis.url } });
    const { code, stderr } = await run(['alert', 'watch', ...argv]);
    expect(code).toBe(2);
    expect(stderr).toContain(message);
  });

  it('says at its start which sink cannot be reached, and watches all the same', async () => {
    const redis = await redisFor();
    const hook = await startHook();
    const url = `http://127.0.0.1:${await freePort()}/secret-path`;
    const away = { name: 'away', type: 'webhook', url, secret: 'a secret of the test' };
    const estate = alertEstate({
      redis: { main: redis.url },
      alerts: { group_wait: '0s', rules: [MANY], sinks: [hook.sink, away] },
    });
    const watch = watching(estate);
    await until(() => hook.told().length === 1);
    const { stderr } = await watch.stop();
    expect(stderr).toMatch(/sink away cannot be reached: .*ECONNREFUSED/);
    expect(stderr).not.toMatch(/sink hook cannot|secret/);
  });

  it('has nothing to watch where nothing is configured', async () => {
    const { run } = alertEstate({});
    const { code, stderr } = await run(['alert', 'check']);
    expect([code, stderr]).toEqual([2, expect.stringContaining('there is nothing to watch')]);
  });
});

describe('a silence', () => {
  it('keeps people from being told, not the alert from being seen, until it ends', async () => {
    const redis = await redisFor();
    const hook = await startHook();
    const estate = alertEstate({
      redis: { main: redis.url },
      alerts: { rules: [MANY], sinks: [hook.sink] },
    });
    const { run, check, clock } = estate;
    const silence = ['alert', 'silence', 'many', 'redis:main', '--for', '2h', '--reason', 'moving'];
    const dry = await run([...silence, '--dry-run', '--json']);
    expect(JSON.parse(dry.stdout).silences[0].until).toBe('2026-03-01T14:00:00.000Z');
    expect((await run(['alert', 'silences', '--json'])).stdout).toBe('{"silences":[]}\n');
    expect((await run(silence)).code).toBe(0);
    const { code, line } = await check(['--notify']);
    expect([code, line('many')?.phase]).toEqual([3, 'firing']);
    expect(line('many')?.silenced_until).toBe('2026-03-01T14:00:00.000Z');
    expect(hook.told()).toEqual([]);
    const { stdout } = await run(['alert', 'silences']);
    expect(stdout).toMatch(/\tmany redis:main\t2026-03-01T14:00:00.000Z\t\w+\tmoving\n$/);
    clock.now += 2 * 3_600_000;
    await check(['--notify']);
    expect(hook.told()).toEqual(['firing many']);
  });

  it('can be ended, and is only for what there is', async () => {
    const redis = await redisFor();
    const { run } = alertEstate({ redis: { main: redis.url } });
    const add = (...names: string[]) =>
      run(['alert', 'silence', ...names, '--for', '1h', '--reason', 'x']);
    const { code, stderr } = await add('memry');
    expect(code).toBe(2);
    expect(stderr).toMatch(
      /"memry" is neither a rule nor a target\n {2}hint: did you mean memory\?/,
    );
    expect((await run(['alert', 'silence', 'memory'])).stderr).toContain('--for is missing');
    await add('redis:main');
    await add('memory');
    expect((await run(['alert', 'silence', 'redis:main', '--end'])).code).toBe(0);
    const { stdout } = await run(['alert', 'silences', '--json']);
    expect(JSON.parse(stdout).silences.map(({ match }: { match: string[] }) => match)).toEqual([
      ['memory'],
    ]);
    expect((await run(['alert', 'silence', 'redis:main', '--end'])).code).toBe(2);
  });
});

describe('alert test', () => {
  it('sends a marked message, and shows what the other side answered', async () => {
    const redis = await redisFor();
    const good = await startReceiver((response) => response.writeHead(200).end('thank you'));
    const bad = await startReceiver((response) => response.writeHead(500).end('no'));
    const { run } = alertEstate({
      redis: { main: redis.url },
      alerts: {
        sinks: [
          { name: 'good', type: 'webhook', url: good.url, secret: 'x' },
          { name: 'bad', type: 'webhook', url: bad.url, secret: 'x' },
        ],
      },
    });
    const { code, stdout } = await run(['alert', 'test', '--json']);
    expect(code).toBe(3);
    const { sinks } = JSON.parse(stdout);
    expect(sinks).toMatchObject([
      { name: 'good', type: 'webhook', ok: true, answer: expect.stringContaining('200') },
      { name: 'bad', type: 'webhook', ok: false, answer: expect.stringContaining('500') },
    ]);
    expect(JSON.parse(good.requests[0]?.body ?? '')).toMatchObject({ kind: 'test' });
    expect((await run(['alert', 'test', 'good'])).code).toBe(0);
    const { code: none, stderr } = await run(['alert', 'test', 'goood']);
    expect([none, stderr]).toEqual([2, expect.stringContaining('did you mean good?')]);
  });
});

it('reads and writes nothing on the Redis that it watches', async () => {
  const redis = await redisFor();
  await command(redis.port, 'SET key value');
  const { check } = alertEstate({
    redis: { main: { url: redis.url, roles: ['cache', 'queue'] } },
    queues: [{ engine: 'bullmq', redis: 'main' }],
  });
  await check();
  const stats = await command(redis.port, 'INFO commandstats');
  const used = [...stats.matchAll(/cmdstat_([^:]+):/g)].map(([, name]) => name);
  expect(
    used.filter(
      (name) =>
        ![
          'client|list',
          'cluster|info',
          'hmget',
          'info',
          'ping',
          'scan',
          'set',
          'slowlog|len',
        ].includes(name ?? ''),
    ),
  ).toEqual([]);
});
