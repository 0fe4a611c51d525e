// What a drill of the matrix is run on, where that is not one Redis with applications.
import { mkdtempSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { runCli } from '../cli.js';
import { startCluster } from '../servers/cluster.js';
import { freePort } from '../servers/ports.js';
import { startPostgres } from '../servers/postgres.js';
import { type RedisServer, startRedis } from '../servers/redis.js';
import { startSentinel } from '../servers/sentinel.js';
import { removeFolder, until } from '../servers/wait.js';
import { startDouble } from './doubles.js';
import { type Estate, spawnCli, startEstate, watchdogIn } from './estate.js';
import { fingerprintOf, fingerprintOfPostgres, seed } from './fingerprint.js';

/** Servers that a drill may break, a configuration, and a way to see that they are as before. */
export type Stage = Pick<
  Estate,
  'run' | 'spawn' | 'watchdog' | 'fingerprint' | 'urls' | 'folder' | 'stop'
>;

/** A start command for many nodes: it is told which one is meant. */
export const startOf = (nodes: RedisServer[]): string =>
  `case $CACHE_OPS_PORT in ${nodes.map(({ port, startCommand }) => `${port}) ${startCommand};;`).join(' ')} esac`;

const control = (nodes: RedisServer[]) =>
  `    control: { process: { start: ${JSON.stringify(startOf(nodes))} } }`;

/** A Sentinel with a master and a replica; broken over the connection alone, or by a signal. */
export async function sentinelStage(
  by: 'connection' | 'process',
  failing: boolean,
): Promise<Stage> {
  const { sentinels, master, replica, stop } = await startSentinel();
  const nodes = [master, replica];
  await seed(master);
  return nodesStage({
    nodes,
    yaml: [
      `    sentinel: { name: main, nodes: [${sentinels.map(({ port }) => `127.0.0.1:${port}`)}] }`,
      ...(by === 'process' ? [control(nodes)] : []),
    ],
    leansOn: failing ? master : undefined,
    stop,
  });
}

/** Three masters with a replica each; the first of them is broken. */
export async function clusterStage(failing: boolean): Promise<Stage> {
  const { masters, replicas, stop } = await startCluster({ replicas: true });
  const nodes = [...masters, ...replicas];
  for (const master of masters) await seed(master);
  return nodesStage({
    nodes,
    yaml: [`    cluster: [127.0.0.1:${masters[1]?.port}]`, control(nodes)],
    leansOn: failing ? masters[0] : undefined,
    stop,
  });
}

/** Settings, users and keys of every node, whichever is master now; the application is one that never follows. */
async function nodesStage({
  nodes,
  yaml,
  leansOn,
  stop,
}: {
  nodes: RedisServer[];
  yaml: string[];
  leansOn: RedisServer | undefined;
  stop(): Promise<void>;
}): Promise<Stage> {
  const folder = mkdtempSync(join(tmpdir(), 'cache-ops-drill-'));
  const double = leansOn && (await startDouble('deaf', leansOn.port));
  writeFileSync(
    join(folder, 'cache-ops.yaml'),
    [
      'redis:',
      '  main:',
      ...yaml,
      ...(double
        ? [
            'applications:',
            '  app-1:',
            `    health: ${double.url}/api/health`,
            '    probe: { write: "PUT /api/cache/{key}", read: "GET /api/cache/{key}" }',
          ]
        : []),
    ].join('\n'),
  );
  const env = { XDG_STATE_HOME: join(folder, 'state'), PATH: process.env.PATH, HOME: folder };
  const scene = { env, cwd: folder };
  return {
    folder,
    urls: double ? [double.url] : [],
    run: (argv, overrides = {}) => runCli(argv, { ...scene, ...overrides }),
    spawn: (argv) => spawnCli(argv, scene),
    watchdog: () => watchdogIn(folder),
    async fingerprint(timeout = 5_000) {
      const all = nodes.map(
        async ({ port }) =>
          // What a failover exchanges; each node's own folder and port stay with it.
          `${port} ${await fingerprintOf({ port, timeout, except: /^(replicaof|slaveof) / })}`,
      );
      return (await Promise.all(all)).join('\n');
    },
    async stop() {
      await double?.stop();
      await stop();
      await removeFolder(folder);
    },
  };
}

/** Where no proxy can take the place of Redis: it is reached by a socket, which has no port. */
export async function socketStage(failing: boolean): Promise<Stage> {
  const server = await startRedis({ password: 'pass word', unixSocket: true });
  await seed(server);
  return startEstate({
    server,
    control: 'none',
    url: `unix://${server.socketPath}`,
    ...(failing && { double: 'deaf' }),
  });
}

/** Applications that go to Redis through a proxy of `drill proxy`. */
export async function proxyStage(failing: boolean) {
  const port = await freePort();
  const estate = await startEstate({
    control: { yaml: `{ proxy: { listen: "127.0.0.1:${port}", socket: proxy.sock } }` },
    through: port,
    ...(failing && { double: 'deaf', doubleOn: port }),
  });
  await seed({ port: estate.redis.port, password: 'pass word' });
  const startProxy = async () => {
    const proxy = estate.spawn(['drill', 'proxy']);
    await proxy.says('goes to');
    return proxy;
  };
  const stage = {
    ...estate,
    port,
    startProxy,
    proxy: await startProxy(),
    async stop() {
      idle?.destroy();
      stage.proxy.kill('SIGTERM');
      await stage.proxy.ended;
      await estate.stop();
    },
  };
  // The double connects for each request only.
  const idle = failing ? connect(port, '127.0.0.1') : undefined;
  idle?.on('error', () => {});
  for (const url of estate.urls) await until(async () => (await modeOf(url)) === 'redis');
  return stage;
}

/** What an application says of itself. */
export async function modeOf(url: string): Promise<string> {
  return ((await (await fetch(`${url}/api/health`)).json()) as { cache: string }).cache;
}

/** A Postgres of its own beside the estate; an application that leans on it fails. */
export async function postgresStage(failing: boolean): Promise<Stage> {
  const postgres = await startPostgres();
  const { url, pidFile, startCommand } = postgres;
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query('CREATE TABLE kept AS SELECT 42 AS n');
  await client.end();
  const estate = await startEstate({
    ...(failing && { double: 'leaning', doubleOn: postgres.port }),
    yaml: [
      'postgres:',
      `  jobs: { url: "${url}", control: { process: { pidFile: "${pidFile}", start: "${startCommand}" } } }`,
    ],
  });
  await seed({ port: estate.redis.port, password: 'pass word' });
  return {
    ...estate,
    async fingerprint(timeout = 5_000) {
      return [await fingerprintOfPostgres(url), await estate.fingerprint(timeout)].join('\n');
    },
    async stop() {
      await estate.stop();
      await postgres.stop();
    },
  };
}
