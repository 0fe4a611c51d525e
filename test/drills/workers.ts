import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { startService } from '../../src/service/server.js';
import { settingsFrom } from '../../src/service/settings.js';
import { type Outcome, type Overrides, runCli } from '../cli.js';
import { type PostgresServer, startPostgres } from '../servers/postgres.js';
import { isRunning, type RedisServer, startRedis } from '../servers/redis.js';
import { removeFolder, until } from '../servers/wait.js';
import { spawnCli } from './estate.js';

export interface Servers {
  redis: RedisServer;
  postgres: PostgresServer;
}

export async function startServers(): Promise<Servers> {
  const [redis, postgres] = await Promise.all([startRedis(), startPostgres()]);
  return { redis, postgres };
}

export async function stopServers({ redis, postgres }: Servers): Promise<void> {
  await Promise.all([redis.stop(), postgres.stop()]);
}

export interface WorkersOptions {
  /** Processes that work on batches, worker-1 and so on. */
  workers?: number;
  /** SQL that lets the application treat its tables wrongly, once they are there: a double of a faulty one. */
  faulty?: string;
  /** `control` of worker-1, made from where it is; by its pid file unless given. */
  control?: (worker: Place) => string;
  /** Programs of an orchestrator that is not here, by name: shell scripts, found before the real ones. */
  standIns?: (worker: Place) => Record<string, string>;
  /** More lines of the configuration, and whether Postgres can be stopped. */
  yaml?: string[];
  postgresControl?: boolean;
  withWorkers?: boolean;
  /** Lets a supervisor start worker-1 again whenever it ends. */
  supervised?: boolean;
  /** The application is in memory mode from the beginning. */
  degraded?: boolean;
  itemMs?: number;
}

/** Where a worker is: how it is killed, found and started by hand. */
export interface Place {
  pidFile: string;
  port: number;
  start: string;
}

const PROGRAM = new URL('../../dist/service.js', import.meta.url).pathname;
let count = 0;

/**
 * An application whose workers are processes of their own, on a Redis and in a database of a Postgres;
 * one instance of it only takes tasks. Killing a worker is real, and so is what comes of it.
 */
export async function startWorkers(servers: Servers, options: WorkersOptions = {}) {
  const { redis, postgres } = servers;
  const { workers = 2, faulty, control, standIns, yaml = [], itemMs = 150 } = options;
  const { withWorkers = true, postgresControl = false, supervised = false } = options;
  count += 1;
  const name = `workers_${process.pid}_${count}`;
  const folder = mkdtempSync(join(tmpdir(), 'cache-ops-workers-'));
  await query(postgres.url, `CREATE DATABASE ${name}`);
  const url = postgres.url.replace(/\/[^/]*$/, `/${name}`);
  const environment = (instance: string) => ({
    REDIS_URL: `redis://127.0.0.1:${redis.port}`,
    DATABASE_URL: url,
    CACHE_TYPE: 'redis',
    QUEUE_TYPE: 'redis',
    BATCH_LEASE_MS: '2000',
    REDIS_PREFIX: name,
    INSTANCE_ID: instance,
  });
  const front = await startService(
    settingsFrom(
      {
        ...environment('front'),
        WORKER_CONCURRENCY: '0',
        ...(options.degraded && { CACHE_TYPE: 'memory' }),
      },
      { instance: 'front' },
    ),
  );
  const places: Place[] = [];
  for (let n = 1; n <= workers; n += 1)
    places.push(await startOne(folder, `worker-${n}`, environment, supervised && n === 1));
  if (faulty) {
    // The tables are made with the first task.
    await fetch(`${front.url}/api/screening`, {
      method: 'POST',
      headers: { 'x-user-id': 'nobody', 'content-type': 'application/json' },
      body: JSON.stringify({ kind: `${name.replaceAll('_', '-')}-first`, count: 1 }),
    });
    await query(url, faulty);
  }
  const [first] = places as [Place];
  const bin = join(folder, 'bin');
  for (const [program, script] of Object.entries(standIns?.(first) ?? {})) {
    mkdirSync(bin, { recursive: true });
    const log = `{ printf '%s' ${program}; printf ' [%s]' "$@"; echo; } >>${folder}/calls`;
    writeFileSync(join(bin, program), `#!/bin/sh\n${log}\n${script}\n`, { mode: 0o755 });
  }
  const byProcess = ({ pidFile, start }: Place) =>
    `{ process: { pidFile: "${pidFile}", start: "${start}" } }`;
  const own = `{ process: { pidFile: "${postgres.pidFile}", start: "${postgres.startCommand}" } }`;
  writeFileSync(
    join(folder, 'cache-ops.yaml'),
    [
      `redis: { main: { url: "redis://127.0.0.1:${redis.port}" } }`,
      'queues: [{ engine: bullmq, redis: main }]',
      `postgres: { jobs: { url: "${url}"${postgresControl ? `, control: ${own}` : ''} } }`,
      'applications:',
      '  front:',
      `    health: ${front.url}/api/health`,
      '    probe: { write: "PUT /api/cache/{key}", read: "GET /api/cache/{key}" }',
      '    tasks:',
      '      start: POST /api/screening',
      `      body: '{"kind":"${name.replaceAll('_', '-')}","batch_size":40,"items":{items}}'`,
      `      item: '{"paper":{n},"takes_ms":${itemMs}}'`,
      `      items: ${40 * Math.max(workers, 1)}`,
      '      read: GET /api/screening/{task}',
      ...(withWorkers ? ['workers:'] : []),
      ...(withWorkers
        ? places.map(
            (place, index) =>
              `  worker-${index + 1}: { control: ${index === 0 && control ? control(place) : byProcess(place)} }`,
          )
        : []),
      ...yaml,
    ].join('\n'),
  );
  const env = {
    XDG_STATE_HOME: join(folder, 'state'),
    PATH: `${bin}:${process.env.PATH}`,
    HOME: folder,
  };
  return {
    folder,
    front,
    places,
    /** The kind of its tasks, which is the name of their queue. */
    kind: name.replaceAll('_', '-'),
    run: (argv: string[], overrides: Overrides = {}): Promise<Outcome> =>
      runCli(argv, { env, cwd: folder, ...overrides }),
    spawn: (argv: string[]) => spawnCli(argv, { env, cwd: folder }),
    query: <Row>(text: string, values: unknown[] = []) => query<Row>(url, text, values),
    /** Starts a task as a drill does; returns its id. */
    async startTask(): Promise<string> {
      const items = Array.from({ length: 80 }, (_, paper) => ({ paper, takes_ms: itemMs }));
      const response = await fetch(`${front.url}/api/screening`, {
        method: 'POST',
        headers: { 'x-user-id': 'cache-ops-drill', 'content-type': 'application/json' },
        body: JSON.stringify({ kind: name.replaceAll('_', '-'), batch_size: 40, items }),
      });
      return ((await response.json()) as { task: string }).task;
    },
    /** The number of the process that is worker n now; 0 when there is none. */
    pid: (n: number) => runningPid(places[n - 1] as Place),
    read: (file: string) => readFileSync(join(folder, file), 'utf8'),
    /** What the stand-ins were called with. */
    calls: () => readFileSync(join(folder, 'calls'), 'utf8').trimEnd().split('\n'),
    async open(): Promise<{ phase: string; state: string }[]> {
      const { stdout } = await runCli(['drill', 'status', '--json'], { env, cwd: folder });
      return JSON.parse(stdout).open;
    },
    /** The watchdog's process id, from the journal of the one open drill. */
    watchdog(): number {
      const journal = join(folder, 'state/cache-ops/drills/open/worker_worker-1/journal.json');
      return JSON.parse(readFileSync(journal, 'utf8')).watchdog.pid;
    },
    async stop(): Promise<void> {
      await front.close();
      // A supervisor ends when there is nothing to start.
      places.forEach((_, at) => {
        rmSync(join(folder, `worker-${at + 1}.sh`), { force: true });
      });
      for (const place of places) {
        const pid = runningPid(place);
        if (pid > 0) process.kill(pid, 'SIGKILL');
      }
      await until(() => places.every((place) => runningPid(place) === 0));
      await removeFolder(folder);
    },
  };
}

export type Workers = Awaited<ReturnType<typeof startWorkers>>;

async function startOne(
  folder: string,
  name: string,
  environment: (name: string) => Record<string, string>,
  supervised: boolean,
): Promise<Place> {
  const pidFile = join(folder, `${name}.pid`);
  const script = join(folder, `${name}.sh`);
  const port = 20_000 + Math.floor(Math.random() * 12_000);
  const variables = { ...environment(name), PID_FILE: pidFile, PORT: String(port) };
  writeFileSync(
    script,
    [
      ...Object.entries(variables).map(([variable, value]) => `export ${variable}='${value}'`),
      `exec ${process.execPath} ${PROGRAM} >>${folder}/${name}.log 2>&1`,
    ].join('\n'),
  );
  const start = `sh ${script}`;
  const command = supervised
    ? `while [ -f ${script} ]; do ${start}; sleep 0.5; done`
    : `exec ${start}`;
  spawn('sh', ['-c', command], { cwd: folder, detached: true, stdio: 'ignore' }).unref();
  await until(
    async () =>
      (await fetch(`http://127.0.0.1:${port}/api/health`).catch(() => undefined))?.ok === true,
    {
      timeout: 20_000,
      every: 50,
    },
  );
  return { pidFile, port, start };
}

function runningPid({ pidFile }: Place): number {
  const pid = Number.parseInt(readFileSync(pidFile, 'utf8'), 10);
  return isRunning(pid) ? pid : 0;
}

async function query<Row>(url: string, text: string, values: unknown[] = []): Promise<Row[]> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => {});
  try {
    await client.connect();
    return (await client.query(text, values)).rows as Row[];
  } finally {
    await client.end().catch(() => {});
  }
}
