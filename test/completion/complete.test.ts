import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command, Option } from 'commander';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { complete } from '../../src/completion/complete.js';
import { queueNames as findQueues } from '../../src/completion/queues.js';
import { dequote } from '../../src/completion/words.js';
import { loadConfig } from '../../src/config/load.js';
import { createContext } from '../../src/context.js';
import { runCli } from '../cli.js';
import { startCluster } from '../servers/cluster.js';
import { command } from '../servers/command.js';
import { type PostgresServer, startPostgres } from '../servers/postgres.js';
import { type RedisServer, startRedis } from '../servers/redis.js';
import { until } from '../servers/wait.js';

const folder = mkdtempSync(join(tmpdir(), 'cache-ops-complete-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const env = { XDG_STATE_HOME: folder, HOME: '/home/me' };
const tab = (words: string[], more: Record<string, string> = {}) =>
  runCli(['__complete', '--', ...words], { cwd: folder, env: { ...env, ...more } });
/** The values alone. */
const values = async (words: string[], more?: Record<string, string>) => {
  const { code, stdout, stderr } = await tab(words, more);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return stdout
    .split('\n')
    .filter(Boolean)
    .map((line) => line.split('\t')[0]);
};

describe('commands and flags', () => {
  it('gives commands with what they do, and none that is hidden', async () => {
    const { stdout } = await tab(['']);
    expect(stdout).toMatch(/^ping\ttest the way to Redis.*$/m);
    expect(stdout).toMatch(/^help\t.+$/m);
    expect(stdout).not.toContain('__');
  });

  it.each<[string[], string[]]>([
    [['pi'], ['ping']],
    [['nothing'], []],
    [['nothing', ''], []],
    [
      ['drill', 'redis-f'],
      ['redis-full', 'redis-failover'],
    ],
    [['--json', 'drill', 'rest'], ['restore']],
    [['--timeout', '3s', 'pi'], ['ping']],
    [['--timeout=3s', 'pi'], ['ping']],
    [['--timeout', ''], []],
    [['help', 'dri'], ['drill']],
    [['help', 'drill', 'hist'], ['history']],
    [
      ['drill', 'redis-down', '--max'],
      ['--max-degrade', '--max-recover'],
    ],
    [['drill', 'redis-down', '--max-degrade', '3s', '--max'], ['--max-recover']],
    [['ping', '--js'], ['--json']],
    [['ping', '--json', '--js'], []],
    [['ping', '--', '--js'], []],
    [
      ['completion', ''],
      ['bash', 'zsh', 'fish'],
    ],
    [['completion', 'bash', ''], []],
    [["'pi"], ['ping']],
  ])('%j', async (words, expected) => {
    expect(await values(words)).toEqual(expected);
  });

  it.each([
    [['--config', '']],
    [['-c', 'x']],
    [['--config=']],
    [['drill', 'redis-down', '--junit', '']],
  ])('%j is left to the shell', async (words) => {
    expect((await tab(words)).stdout).toBe('files\n');
  });

  it('gives the fixed choices of a flag, in both ways to write it', async () => {
    const program = new Command();
    program
      .command('list')
      .addOption(new Option('--order <order>').choices(['name', 'size']))
      .option('--only <state...>');
    const given = (...words: string[]) => complete(context(), program, words);
    expect(await given('list', '--order', '')).toBe('name\t\nsize\t\n');
    expect(await given('list', '--order=s')).toBe('--order=size\t\n');
    expect(await given('list', '--only', 'a', '--o')).toBe('--order\t\n--only\t\n');
  });
});

describe('names of the configuration', () => {
  beforeAll(() =>
    writeFileSync(
      join(folder, 'names.yaml'),
      `redis: { main: "redis://u:hunter2@127.0.0.1:1", odd-name: "redis://127.0.0.1:1" }
applications: { backend: { health: "http://127.0.0.1:1/health" } }
workers: { importer: { control: { docker: { container: importer } } } }`,
    ),
  );
  const config = () => ['--config', join(folder, 'names.yaml')];

  it.each<[string[], string[]]>([
    [
      ['ping', ''],
      ['main', 'odd-name'],
    ],
    [['ping', 'main', 'o'], ['odd-name']],
    [
      ['drill', 'redis-down', ''],
      ['main', 'odd-name'],
    ],
    [['drill', 'redis-down', 'main', ''], []],
    [['drill', 'redis-down', '--app', ''], ['backend']],
    [['drill', 'redis-down', '--confirm', ''], []],
    [['drill', 'worker-crash', ''], ['importer']],
  ])('%j', async (words, expected) => {
    expect(await values([...config(), ...words])).toEqual(expected);
    const variable = { CACHE_OPS_CONFIG: join(folder, 'names.yaml') };
    expect(await values(words, variable)).toEqual(expected);
  });

  it('shows no secret', async () => {
    expect((await tab([...config(), 'ping', ''])).stdout).not.toContain('hunter2');
  });

  it.each(['redis: [', 'redis: 5', ''])('is silent about a configuration like %j', async (text) => {
    const file = join(folder, 'broken.yaml');
    writeFileSync(file, text);
    expect(await tab(['--config', file, 'ping', ''])).toEqual({ code: 0, stdout: '', stderr: '' });
  });

  it('is silent where no sandbox is up', async () => {
    const silent = { code: 0, stdout: '', stderr: '' };
    expect(await tab(['--sandbox', 'ping', ''])).toEqual(silent);
  });
});

describe('names of queues', () => {
  let redis: RedisServer;
  beforeAll(async () => {
    redis = await startRedis();
    for (const meta of [
      'bull:mail:out:meta',
      '"bull:odd name:meta"',
      '{billing}:jobs:meta',
      '"bull:tab\\there:meta"',
    ])
      await command(redis.port, `HSET ${meta} opts.maxLenEvents 10000`);
    await command(redis.port, 'HSET bull:page:meta title x');
    await command(redis.port, 'SET bull:text:meta x');
  });
  afterAll(() => redis.stop());

  it('finds them under the configured prefixes, and takes no other key for one', async () => {
    const queues =
      '[{ engine: bullmq, redis: main }, { engine: bullmq, redis: main, prefix: "{billing}" }]';
    const text = await queueNames(`{ redis: { main: "${redis.url}" }, queues: ${queues} }`);
    expect(text).toBe(
      'jobs\tBullMQ, {billing} on main\nmail:out\tBullMQ, bull on main\nodd name\tBullMQ, bull on main\n',
    );
  });

  it('writes nothing', async () => {
    await command(redis.port, 'CONFIG RESETSTAT');
    await queueNames(
      `{ redis: { main: "${redis.url}" }, queues: [{ engine: bullmq, redis: main }] }`,
    );
    const stats = await command(redis.port, 'INFO commandstats');
    const used = [...stats.matchAll(/cmdstat_([a-z|]+):/g)].map(([, name]) => name).sort();
    expect(used).toEqual(['config|resetstat', 'hmget', 'ping', 'scan']);
  });

  it('finds those of every master of a cluster', async () => {
    const cluster = await startCluster();
    try {
      for (const [index, { port }] of cluster.masters.entries()) {
        // A key belongs to one master only: others are tried until it does.
        let attempt = 0;
        await until(async () => {
          attempt += 1;
          const set = `HSET bull:{${attempt}}:${index}:meta opts.maxLenEvents 1`;
          return (await command(port, set)).startsWith(':1');
        });
      }
      const seeds = `["127.0.0.1:${cluster.masters[0]?.port}"]`;
      const text = await queueNames(
        `{ redis: { main: { cluster: ${seeds} } }, queues: [{ engine: bullmq, redis: main }] }`,
      );
      expect(text.match(/:[0-9](?=\t)/g)?.sort()).toEqual([':0', ':1', ':2']);
    } finally {
      await cluster.stop();
    }
  });

  it('gives what the others have where a server does not answer, within the limit', async () => {
    const silent = createServer(() => {}).listen(0, '127.0.0.1');
    await new Promise((resolve) => silent.once('listening', resolve));
    const { port } = silent.address() as { port: number };
    const began = performance.now();
    const text =
      await queueNames(`{ redis: { main: "${redis.url}", hung: "redis://127.0.0.1:${port}" },
      queues: [{ engine: bullmq, redis: hung }, { engine: bullmq, redis: main }] }`);
    const took = performance.now() - began;
    silent.close();
    expect(text).toContain('mail:out\t');
    expect(took).toBeLessThan(1_000);
  });
});

it('waits no longer than it was told, for a server that stops answering as well', async () => {
  const stopped = createServer((socket) => socket.once('data', () => socket.write('+PONG\r\n')));
  stopped.listen(0, '127.0.0.1');
  await new Promise((resolve) => stopped.once('listening', resolve));
  const { port } = stopped.address() as { port: number };
  const file = join(folder, 'stopped.yaml');
  writeFileSync(
    file,
    `{ redis: { main: "redis://127.0.0.1:${port}" }, queues: [{ engine: bullmq, redis: main }] }`,
  );
  const config = await loadConfig({ env, cwd: folder, file });
  const began = performance.now();
  expect(await findQueues(config, AbortSignal.timeout(100), 2_000)).toEqual([]);
  expect(performance.now() - began).toBeLessThan(1_500);
  stopped.close();
});

it('offers the queues that are remembered where a server does not answer', async () => {
  const found = await startRedis();
  await command(found.port, 'HSET bull:mail:meta opts.maxLenEvents 10000');
  const file = join(folder, 'remembered.yaml');
  const redis = `{ redis: { main: "${found.url}" }`;
  writeFileSync(file, `${redis}, queues: [{ engine: bullmq, redis: main }] }`);
  const words = ['--config', file, 'queue', 'jobs', 'ma'];
  expect(await values(words)).toEqual(['mail']);
  expect(await runCli(['--config', file, 'queue', 'ls'], { cwd: folder, env })).toMatchObject({
    code: 0,
  });
  await found.stop();
  expect(await values(words)).toEqual(['mail']);
  expect(await values(['--config', file, 'queue', 'jobs', '--state', 'fa'])).toEqual(['failed']);
});

describe('names of pg-boss queues', () => {
  let postgres: PostgresServer;
  beforeAll(async () => {
    postgres = await startPostgres();
    // Here it is compiled at its first use, which alone takes longer than TAB may.
    await import('../../src/postgres/client.js');
    const client = new pg.Client({ connectionString: postgres.url });
    await client.connect();
    await client.query(`CREATE SCHEMA own; CREATE TABLE own.job (name text, state text);
      CREATE TABLE own.version (version int); INSERT INTO own.version VALUES (24);
      CREATE TABLE own.queue (name text);
      INSERT INTO own.queue VALUES ('asl:title-screening'), ('__pgboss__send-it'), ('odd name')`);
    await client.end();
  });
  afterAll(() => postgres.stop());

  it.each(['', ', schema: own'])('finds them, less those of pg-boss itself%s', async (schema) => {
    const text = await queueNames(
      `{ postgres: { main: "${postgres.url}" }, queues: [{ engine: pgboss, postgres: main${schema} }] }`,
    );
    expect(text).toBe(
      'asl:title-screening\tpg-boss, own on main\nodd name\tpg-boss, own on main\n',
    );
  });
});

it.each([
  ['plain', 'plain'],
  ['"odd na', 'odd na'],
  ["'it'\\''s'", "it's"],
  ['odd\\ name', 'odd name'],
  ["'a\\b'", 'a\\b'],
  ['end\\', 'end\\'],
  ['~/x', '/home/me/x'],
  ['a~/x', 'a~/x'],
])('reads the word %s as %s', (word, plain) => {
  expect(dequote(word, '/home/me')).toBe(plain);
});

function context() {
  const quiet = { write() {}, isTTY: false, columns: 80 };
  return createContext({
    stdout: quiet,
    stderr: quiet,
    stdin: () => process.stdin,
    env,
    cwd: folder,
    host: {} as never,
    signal: new AbortController().signal,
    now: Date.now,
  });
}

/** What is offered for `--queue`, with a configuration. */
async function queueNames(config: string): Promise<string> {
  const file = join(folder, 'queues.yaml');
  writeFileSync(file, config);
  const program = new Command().option('--config <file>');
  program.command('list').option('--queue <name>');
  return complete(context(), program, ['--config', file, 'list', '--queue', '']);
}
