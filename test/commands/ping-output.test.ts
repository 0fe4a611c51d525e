import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type RedisServer, startRedis } from '../servers/redis.js';
import { impostorForTest, NOBODY, ping, redisForTest, startImpostor } from './pinging.js';

const SECRET = 's3cr3t-w0rd';

describe('what ping shows', () => {
  let redis: RedisServer;
  let targets: Record<string, unknown>;
  beforeAll(async () => {
    redis = await startRedis();
    targets = { main: redis.url, dead: `redis://${NOBODY}` };
  });
  afterAll(() => redis.stop());
  const plain = { env: { NO_COLOR: '1' } };

  it('is a table on a terminal, and a paragraph for each problem with numbered checks', async () => {
    const { code, stdout, stderr } = await ping(targets, [], { tty: true, columns: 120, ...plain });
    expect([code, stderr]).toEqual([5, '']);
    const lines = stdout.split('\n');
    expect(lines[1]?.split(/ {2,}/)).toEqual([
      'target',
      'address',
      'role',
      'status',
      'tcp',
      'ping',
      'p50',
      'p95',
      'p99',
      'max',
    ]);
    const time = '\\d+(\\.\\d\\d)?';
    expect(lines[2]).toMatch(
      new RegExp(`^main +127.0.0.1:${redis.port} +master +ok( +${time}){6}$`),
    );
    expect(lines[3]).toMatch(/^dead +127.0.0.1:\d+ +- +failed +fail( +-){5}$/);
    expect(lines[4]).toBe('');
    expect(lines[5]).toMatch(/^dead 127.0.0.1:\d+: TCP: connection refused: nothing listens on /);
    expect(lines[6]).toMatch(/^ {2}1\. Is the instance up/);
    expect(lines.slice(7, 12).map((line) => line.slice(0, 5))).toEqual([
      '  2. ',
      '  3. ',
      '  4. ',
      '  5. ',
      '  6. ',
    ]);
  });

  it.each([80, 40])('fits into a window of %i columns', async (columns) => {
    const { stdout } = await ping(targets, [], { tty: true, columns, ...plain });
    const lines = stdout.split('\n');
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(columns);
    const words = stdout.replace(/\s+/g, ' ');
    expect(words).toContain('Is the port right, and does Redis bind to that address');
    const checks = lines.slice(
      lines.findIndex((line) => line.startsWith('  1. ')),
      -1,
    );
    expect(checks.filter((line) => /^ {2}\d\. \S/.test(line))).toHaveLength(6);
    expect(checks.filter((line) => !/^( {2}\d\. | {5})\S/.test(line))).toEqual([]);
  });

  it('is one line of tab-separated fields for each server in a pipe; remarks go to stderr', async () => {
    const { stdout, stderr } = await ping(targets);
    const [main, dead, ...rest] = stdout.split('\n').map((line) => line.split('\t'));
    expect(rest).toEqual([['']]);
    expect(main?.slice(0, 9)).toEqual([
      'main',
      `127.0.0.1:${redis.port}`,
      'master',
      'ok',
      '',
      '',
      '',
      '',
      expect.stringMatching(/^\d+(\.\d+)?$/),
    ]);
    expect(main?.[12]).toBe('5');
    expect(main).toHaveLength(17);
    expect(dead?.slice(2, 6)).toEqual(['', 'failed', 'tcp', 'refused']);
    expect(dead?.[6]).toContain('connection refused');
    expect(dead).toHaveLength(17);
    expect(stderr).toMatch(
      /^dead 127.0.0.1:\d+: TCP: connection refused.*\n {2}1\. Is the instance up/,
    );
  });

  it('leaves the remarks out with --quiet', async () => {
    const { stdout, stderr } = await ping(targets, ['--quiet']);
    expect([stdout.split('\n').length, stderr]).toEqual([3, '']);
  });

  it('says once what several servers of a target have in common', async () => {
    const cluster = { cluster: [`127.0.0.1:${redis.port}`, `localhost:${redis.port}`] };
    const { stderr } = await ping({ main: cluster });
    expect(stderr.match(/is not part of a cluster/g)).toHaveLength(2);
    expect(stderr.match(/1\. Configure it as/g)).toHaveLength(1);
  });

  it('is one JSON document with --json, and nothing on stderr', async () => {
    const { stdout, stderr } = await ping(targets, ['--json'], { tty: true });
    expect(stderr).toBe('');
    expect(JSON.parse(stdout)).toMatchObject({ ok: false, targets: [{ ok: true }, { ok: false }] });
  });

  it('has help with examples and exit codes', async () => {
    const { code, stdout } = await ping({}, ['--help']);
    expect(code).toBe(0);
    expect(stdout).toContain('$ cache-ops ping main --count 100');
    expect(stdout).toMatch(/Exit codes: 0 .*3 .*5 /s);
  });

  it('names what there is when a target is unknown', async () => {
    const { code, stderr } = await ping(targets, ['mian']);
    expect(code).toBe(2);
    expect(stderr).toMatch(/no Redis is named "mian"[\s\S]*main/);
  });
});

describe('a secret in a URL of the command line', () => {
  const stops: (() => Promise<void>)[] = [];
  const urls: string[] = [];
  const credentials = `someone:${SECRET}@127.0.0.1`;
  beforeAll(async () => {
    const servers = await Promise.all([
      startRedis(),
      startRedis({ password: 'other' }),
      startRedis({ users: [`someone on >${SECRET} ~* +@all`] }),
      startRedis({ config: ['rename-command AUTH ""'] }),
      startRedis({ config: ['maxclients 1'] }),
    ]);
    const impostors = await Promise.all([
      startImpostor(() => {}),
      startImpostor((socket) => socket.end()),
      startImpostor((socket) => socket.pipe(socket)),
      startImpostor((socket) => socket.on('data', (chunk) => socket.write(`you said ${chunk}`))),
      startImpostor((socket) => socket.on('data', (chunk) => socket.write(`+${chunk}`))),
      startImpostor((socket) => socket.on('data', (chunk) => socket.write(`-ERR no ${chunk}`))),
      startImpostor((socket) =>
        socket.on('data', (chunk) =>
          socket.write(`-ERR no ${String(chunk).replaceAll('\r\n', ' ')}\r\n`),
        ),
      ),
    ]);
    stops.push(...[...servers, ...impostors].map((server) => () => server.stop()));
    for (const { port } of [...servers, ...impostors, { port: 1 }]) {
      urls.push(`redis://${credentials}:${port}`, `redis://:${SECRET}@127.0.0.1:${port}/1`);
      urls.push(`rediss://${credentials}:${port}`);
    }
    urls.push(`redis://${credentials}:${servers[2]?.port}/99`);
    urls.push(`redis://:${SECRET}@no-such-host.invalid:6379`);
  });
  afterAll(() => Promise.all(stops.map((stop) => stop())));

  it.each([
    ['a terminal', { tty: true }, []],
    ['a pipe', {}, []],
    ['JSON', {}, ['--json']],
  ])('never shows, whatever the server does with it (%s)', async (_, look, flags) => {
    const { code, stdout, stderr } = await ping(
      {},
      // Long enough for forty connections on a machine that is busy with other tests.
      [...urls, ...flags, '--timeout', '2s'],
      look,
    );
    expect(code).toBe(5);
    expect(stdout).toContain('rejects the password');
    expect(stdout + stderr).not.toContain(SECRET);
  });

  it('never shows in part, where Redis cuts what it repeats of an unknown command', async () => {
    const long = `${SECRET}-${'x'.repeat(200)}`;
    const redis = await redisForTest({ config: ['rename-command AUTH ""'] });
    // Redis 6 and before have other quotation marks than Redis 7.
    const older = `-ERR unknown command \`AUTH\`, with args beginning with: \`${long.slice(0, 128)}\r\n`;
    const redis6 = await impostorForTest((socket) =>
      socket.once('data', () => socket.write(older)),
    );
    for (const { port } of [redis, redis6]) {
      const { code, stdout, stderr } = await ping({}, [`redis://:${long}@127.0.0.1:${port}`]);
      expect([code, stdout.split('\t')[5]]).toEqual([5, 'auth_unknown']);
      expect(stdout + stderr).not.toContain(SECRET);
    }
  });

  it.each([
    `redis:/:${SECRET}@host:6379`,
    `redis//:${SECRET}@host`,
    `http://:${SECRET}@host`,
    `redis://:${SECRET}/x@host:6379`,
    `redis://host:6379/${SECRET}@host:6379`,
    `redis://:${SECRET}%zz@host:6379`,
    `redis://:${SECRET}@host:port`,
    `:${SECRET}@host:6379`,
    `unix://:${SECRET}@/redis.sock`,
  ])('never shows in the error for a mistyped one (%#)', async (url) => {
    for (const flags of [[], ['--json']]) {
      const { code, stdout, stderr } = await ping({}, [url, ...flags]);
      expect([code, stdout]).toEqual([2, '']);
      expect(stderr).not.toContain(SECRET);
    }
  });
});
