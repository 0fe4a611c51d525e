import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Report } from '../../src/memory/report.js';
import { runCli } from '../cli.js';
import { type ClusterEstate, startCluster } from '../servers/cluster.js';
import { type RedisServer, startRedis } from '../servers/redis.js';
import { until } from '../servers/wait.js';

const BIN = new URL('../../bin/cache-ops.js', import.meta.url).pathname;
const KEYS = 3_000;

let server: RedisServer;
let redis: Redis;
let folder: string;
beforeAll(async () => {
  server = await startRedis({ config: ['databases 4'] });
  redis = new Redis(server.url);
  folder = mkdtempSync(join(tmpdir(), 'cache-ops-bigkeys-'));
  await fill(redis);
});
afterAll(async () => {
  redis.disconnect();
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** Keys of every type in two databases, a third without a time to live, names that are not text. */
async function fill(client: Redis) {
  const work = client.pipeline();
  for (let n = 0; n < KEYS; n += 1) {
    if (n % 3 === 0) work.set(`asl:llm:${1e9 + n}`, 'x'.repeat(n % 700));
    else if (n % 3 === 1) work.hset(`session:user-${n}`, { a: n, b: 'y'.repeat(n % 90) });
    else work.rpush(`bull:mail:${n}:logs`, 'one', 'two');
    if (n % 3 !== 0) work.pexpire(n % 3 === 1 ? `session:user-${n}` : `bull:mail:${n}:logs`, 9e6);
  }
  work.zadd('board', ...Array.from({ length: 2_000 }, (_, n) => [n, `m${n}`]).flat());
  work.set(Buffer.from([0xff, 0x00, 0x1b, 0x5b, 0x33, 0x31, 0x6d]), 'binary');
  work.set('', 'empty name');
  work.select(2);
  work.sadd('tags', 'a', 'b');
  work.select(0);
  await work.exec();
}

const environment = () => ({ REDIS_URL: server.url, XDG_STATE_HOME: mkdtempSync(`${folder}/s-`) });

async function bigkeys(args: string[], env = environment()) {
  const outcome = await runCli(['memory', 'bigkeys', '--json', ...args], { env, cwd: folder });
  return { ...outcome, report: JSON.parse(outcome.stdout || 'null') as Report };
}

/** What Redis itself says, key by key. */
async function truth(client: Redis): Promise<number> {
  let sum = 0;
  for (const key of await client.keysBuffer('*'))
    sum += (await client.memory('USAGE', key, 'SAMPLES', 0)) ?? 0;
  return sum;
}

describe('memory bigkeys', () => {
  it('has every key of every database, with the bytes that Redis says', async () => {
    const { code, report, stderr } = await bigkeys([]);
    expect([code, stderr]).toEqual([0, '']);
    expect(report.totals).toMatchObject({ keys: KEYS + 4, vanished: 0, unreadable: 0 });
    expect(report.servers).toMatchObject([{ dbsize: KEYS + 4, keys: KEYS + 4 }]);
    expect(report.databases.map(({ db, keys }) => [db, keys])).toEqual([
      [0, KEYS + 3],
      [2, 1],
    ]);
    const exact = await bigkeys(['--exact', '--db', '0']);
    expect(exact.report.totals.bytes).toBe(await truth(redis));
    const groups = report.tree.children.map(({ pattern }) => pattern);
    expect(groups).toContain('asl');
    expect(report.tree.bytes).toBe(report.totals.bytes);
    expect(report.top[0]).toMatchObject({
      key: 'board',
      type: 'zset',
      encoding: 'skiplist',
      elements: 2_000,
      ttl_ms: null,
    });
    expect(report.top[0]?.idle_s).toBeGreaterThanOrEqual(0);
  });

  it('takes a name of a hundred levels through every form of the report', async () => {
    const key = Array.from({ length: 100 }, (_, n) => `level${'abcdefghij'[n % 10]}`).join(':');
    await redis.set(key, 'x'.repeat(1e6));
    try {
      const env = environment();
      const { code, report } = await bigkeys(['--html', 'deep.html'], env);
      expect([code, report.top[0]?.key]).toEqual([0, key]);
      let [node, depth] = [report.tree, 0];
      for (; node.children.length > 0; depth += 1) {
        const next = node.children.find(({ pattern }) => key.startsWith(pattern));
        if (!next) break;
        expect(next.keys).toBe(1);
        node = next;
      }
      expect([depth, node.bytes]).toEqual([12, report.top[0]?.bytes]);
      expect(readFileSync(join(folder, 'deep.html'), 'utf8')).toContain(key);
      for (const columns of [80, 40]) {
        const shown = await runCli(['memory', 'bigkeys', '--depth', '200'], {
          env,
          columns,
          tty: true,
        });
        expect([shown.code, shown.stdout.includes('level')]).toEqual([0, true]);
      }
      const rows = await runCli(['memory', 'show', '--format', 'csv', '--list', 'keys'], { env });
      expect(rows.stdout).toContain(key);
    } finally {
      await redis.del(key);
    }
  });

  it('takes only what it is asked for', async () => {
    const { report } = await bigkeys(['--match', 'session:*', '--type', 'hash']);
    expect(report.totals.keys).toBe(KEYS / 3);
    expect(report.types.map(({ type }) => type)).toEqual(['hash']);
    const large = await bigkeys(['--over', '10kb']);
    expect(large.report.top.map(({ key }) => key)).toEqual(['board']);
  });

  it('estimates the whole from a sample', async () => {
    const { report } = await bigkeys(['--sample', '1/4']);
    expect(report.sampled).toEqual({ part: 1, of: 4 });
    expect(report.totals.keys).toBeGreaterThan(KEYS * 0.8);
    expect(report.totals.keys).toBeLessThan(KEYS * 1.2);
  });

  it('never sends a key that holds escapes to the terminal as it is', async () => {
    const env = environment();
    const { stdout } = await runCli(['memory', 'bigkeys', '--depth', '9'], { env, tty: true });
    // biome-ignore lint/suspicious/noControlCharactersInRegex: this is what must not be there
    expect(stdout.replaceAll(/\u001b\[\d*m/g, '')).not.toMatch(/[\u0000\u001b]/);
    for (const columns of [80, 40]) {
      const narrow = await runCli(['memory', 'bigkeys', '--no-color'], { env, tty: true, columns });
      expect(Math.max(...narrow.stdout.split('\n').map((line) => line.length))).toBeLessThan(
        columns + 1,
      );
    }
  });

  it('stores reports, of which diff tells what grew, and writes them as a page', async () => {
    const env = environment();
    await bigkeys([], env);
    await redis.set('asl:llm:4711', 'z'.repeat(100_000));
    try {
      const { code } = await bigkeys(['--html', 'page.html'], env);
      expect(code).toBe(0);
      expect(readFileSync(join(folder, 'page.html'), 'utf8')).toContain('<!doctype html>');
      const diff = await runCli(['memory', 'diff', '--json'], { env });
      expect(JSON.parse(diff.stdout).groups[0]).toMatchObject({
        name: 'asl:llm:{id}',
        change: 'grown',
      });
    } finally {
      await redis.del('asl:llm:4711');
    }
  });

  it('goes on after a kill, and has the totals of one run', async () => {
    const env = { ...environment(), PATH: process.env.PATH };
    const whole = await bigkeys([], environment());
    const args = [BIN, 'memory', 'bigkeys', '--format', 'ndjson', '--duty', '1%'];
    const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'inherit'] });
    let text = '';
    child.stdout.on('data', (chunk) => {
      text += chunk;
    });
    const stored = join(env.XDG_STATE_HOME, 'cache-ops', 'memory', 'scans', 'main.json');
    const isStored = () => {
      try {
        return JSON.parse(readFileSync(stored, 'utf8')).servers !== undefined;
      } catch {
        return false;
      }
    };
    await until(() => isStored() || child.exitCode !== null, {
      what: 'a checkpoint',
      timeout: 30_000,
    });
    child.kill('SIGKILL');
    expect(text).toContain('"type":"progress"');
    const { code, report } = await bigkeys(['--resume'], env);
    expect(code).toBe(0);
    expect(report.totals).toEqual(whole.report.totals);
    expect(report.tree.children.map(({ pattern, keys, bytes }) => [pattern, keys, bytes])).toEqual(
      whole.report.tree.children.map(({ pattern, keys, bytes }) => [pattern, keys, bytes]),
    );
    const again = await bigkeys(['--resume'], env);
    expect([again.code, again.stderr]).toEqual([2, expect.stringContaining('no scan of main')]);
  });

  it('shows what it has when it is interrupted, as partial', async () => {
    const controller = new AbortController();
    const env = environment();
    const args = ['memory', 'bigkeys', '--json', '--duty', '1%'];
    const running = runCli(args, { env, signal: controller.signal });
    setTimeout(() => controller.abort(new Error('interrupted')), 700);
    const { code, stdout } = await running;
    expect(code).toBe(130);
    expect((JSON.parse(stdout) as Report).partial).toMatch(/./);
  });

  it('reads the same from an RDB file, and from a broken one what comes before the damage', async () => {
    await redis.save();
    const file = join(server.dir, 'dump.rdb');
    const { code, report } = await bigkeys(['--rdb', file]);
    expect([code, report.source, report.sizes_by]).toEqual([0, 'rdb', 'estimate']);
    expect(report.totals.keys).toBe(KEYS + 4);
    const live = await bigkeys([]);
    expect(Math.abs(report.totals.bytes / live.report.totals.bytes - 1)).toBeLessThan(0.1);
    const bytes = readFileSync(file);
    writeFileSync(join(folder, 'cut.rdb'), bytes.subarray(0, bytes.length / 2));
    const cut = await bigkeys(['--rdb', 'cut.rdb']);
    expect(cut.code).toBe(4);
    expect(cut.report.partial).toMatch(/at byte .*: expected .*, found /);
    expect(cut.report.totals.keys).toBeGreaterThan(100);
  });

  it('takes the data set as a replica would, and says before when the server writes a file for that', async () => {
    for (const diskless of ['yes', 'no']) {
      await redis.config('SET', 'repl-diskless-sync', diskless);
      await redis.config('SET', 'repl-diskless-sync-delay', '0');
      const { code, report, stderr } = await bigkeys(['--via-replication']);
      expect([code, report.source, report.totals.keys]).toEqual([0, 'replication', KEYS + 4]);
      expect(stderr).toMatch(diskless === 'no' ? /dump file anew.*is off\n$/ : /^$/);
    }
  });

  it('says that nobody answers, or that the password is wrong, in one line', async () => {
    const secured = await startRedis({ password: 'right' });
    try {
      const wrong = `redis://:wrong@127.0.0.1:${secured.port}`;
      for (const target of [wrong, 'redis://127.0.0.1:1']) {
        for (const args of [[], ['--via-replication']]) {
          const env = { ...environment(), REDIS_URL: target };
          const { code, stdout, stderr } = await runCli(['memory', 'bigkeys', ...args], { env });
          expect([code, stdout]).toEqual([5, '']);
          expect(stderr).toMatch(/^cache-ops: .*(rejects the password|refused).*\n {2}hint: .*\n$/);
        }
      }
    } finally {
      await secured.stop();
    }
  });

  it('keeps no report of a file that is none', async () => {
    const env = environment();
    writeFileSync(join(folder, 'letter.txt'), 'Dear Sir');
    const { code, report } = await bigkeys(['--rdb', 'letter.txt'], env);
    expect([code, report.partial]).toEqual([
      4,
      expect.stringContaining('the beginning of an RDB file'),
    ]);
    const { stdout } = await runCli(['memory', 'reports', '--json'], { env });
    expect(JSON.parse(stdout)).toEqual({ reports: [] });
  });

  it('says what is wrong with its flags', async () => {
    const wrong = [
      ['--sample', '1/3'],
      ['--duty', '0'],
      ['--over', 'much'],
      ['--format', 'xml'],
      ['--rdb', 'x', '--exact'],
      ['--resume'],
    ];
    for (const args of wrong) {
      const { code, stdout } = await bigkeys(args);
      expect([args.join(' '), code, stdout]).toEqual([args.join(' '), 2, '']);
    }
  });
});

describe('memory bigkeys on a cluster', () => {
  let cluster: ClusterEstate;
  beforeAll(async () => {
    cluster = await startCluster();
  });
  afterAll(() => cluster.stop());

  it('adds up all masters', async () => {
    const { Cluster: Client } = await import('ioredis');
    const [seed] = cluster.masters;
    if (!seed) throw new Error('no node');
    const client = new Client([{ host: seed.host, port: seed.port }]);
    for (let n = 0; n < 500; n += 1) await client.set(`cfg:${n}`, 'x');
    client.disconnect();
    const file = join(folder, 'cluster.yaml');
    writeFileSync(file, `redis:\n  main:\n    cluster: ["${seed.host}:${seed.port}"]\n`);
    const { code, report } = await bigkeys(['--config', file]);
    expect([code, report.totals.keys, report.servers.length]).toEqual([0, 500, 3]);
    expect(report.servers.every(({ keys, dbsize }) => keys === dbsize)).toBe(true);
  });
});
