import { execFile, spawn } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { demandBinary } from './binaries.js';
import { freePort } from './ports.js';
import { isRunning } from './redis.js';
import { until } from './wait.js';

export interface PostgresServer {
  url: string;
  port: number;
  dir: string;
  /** The pid that runs now: after a restart through `startCommand` another one. */
  readonly pid: number;
  pidFile: string;
  /** Starts this same server again; it stays in the foreground. */
  startCommand: string;
  kill(signal: NodeJS.Signals): void;
  stop(): Promise<void>;
}

const running = new Set<PostgresServer>();
process.once('exit', () => {
  for (const server of running) server.kill('SIGKILL');
});

/** A real Postgres on a free loopback port; user postgres, no password. */
export async function startPostgres(): Promise<PostgresServer> {
  const dir = mkdtempSync(join(tmpdir(), 'cache-ops-postgres-'));
  const data = join(dir, 'data');
  // PostgreSQL refuses to run as root.
  const user: { uid?: number; gid?: number } = process.getuid?.() === 0 ? nobody() : {};
  mkdirSync(data, { mode: 0o700 });
  chmodSync(dir, 0o755);
  if (user.uid !== undefined && user.gid !== undefined) chownSync(data, user.uid, user.gid);
  // Not synchronously: a drill that runs in this process would miss its beats.
  await promisify(execFile)(
    demandBinary('initdb'),
    ['-D', data, '-U', 'postgres', '--auth=trust', '-N', '-E', 'UTF8', '--locale=C'],
    { ...user, cwd: dir },
  );
  // As late as can be: until it listens another may take it.
  const port = await freePort();
  const settings = [
    `port=${port}`,
    'listen_addresses=127.0.0.1',
    `unix_socket_directories=${data}`,
    'fsync=off',
    'max_connections=100',
  ];
  const flags = settings.flatMap((setting) => ['-c', setting]);
  const child = spawn(demandBinary('postgres'), ['-D', data, ...flags], {
    ...user,
    cwd: dir,
    stdio: 'ignore',
  });
  const pidFile = join(data, 'postmaster.pid');
  const pid = () => (existsSync(pidFile) ? Number.parseInt(readFileSync(pidFile, 'utf8'), 10) : 0);
  const kill = (signal: NodeJS.Signals) => {
    try {
      if (pid() > 0) process.kill(pid(), signal);
    } catch {
      // It has ended.
    }
  };
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const url = `postgres://postgres@127.0.0.1:${port}/postgres`;
  const server: PostgresServer = {
    url,
    port,
    dir,
    get pid() {
      return pid();
    },
    pidFile,
    startCommand: [...asUser(user), demandBinary('postgres'), '-D', data, ...flags].join(' '),
    kill,
    async stop() {
      kill('SIGCONT');
      // SIGINT is the fast shutdown: connections are ended.
      kill('SIGINT');
      const timer = setTimeout(() => kill('SIGKILL'), 5_000);
      const last = pid();
      await ended;
      await until(() => last === 0 || !isRunning(last), { what: 'the end of postgres' });
      clearTimeout(timer);
      running.delete(server);
      rmSync(dir, { recursive: true, force: true });
    },
  };
  running.add(server);
  await until(() => accepts(url), {
    timeout: 20_000,
    every: 30,
    what: 'postgres to accept a connection',
  });
  return server;
}

async function accepts(url: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 1_000 });
  client.on('error', () => {});
  try {
    await client.connect();
    return true;
  } catch {
    return false;
  } finally {
    await client.end().catch(() => {});
  }
}

function asUser({ uid, gid }: { uid?: number; gid?: number }): string[] {
  return uid === undefined ? [] : ['setpriv', `--reuid=${uid}`, `--regid=${gid}`, '--clear-groups'];
}

function nobody(): { uid: number; gid: number } {
  const line = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((entry) => entry.startsWith('nobody:'));
  const [, , uid, gid] = line?.split(':') ?? [];
  return { uid: Number(uid ?? 65_534), gid: Number(gid ?? 65_534) };
}
