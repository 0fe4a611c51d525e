import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { demandBinary } from './binaries.js';
import { freePort } from './ports.js';
import { until } from './wait.js';

export interface PostgresServer {
  url: string;
  port: number;
  dir: string;
  pid: number;
  kill(signal: NodeJS.Signals): void;
  stop(): Promise<void>;
}

const running = new Set<PostgresServer>();
process.once('exit', () => {
  for (const server of running) server.kill('SIGKILL');
});

/** A real Postgres on a free loopback port; user postgres, no password. */
export async function startPostgres(): Promise<PostgresServer> {
  const port = await freePort();
  const dir = mkdtempSync(join(tmpdir(), 'cache-ops-postgres-'));
  const data = join(dir, 'data');
  // PostgreSQL refuses to run as root.
  const user: { uid?: number; gid?: number } = process.getuid?.() === 0 ? nobody() : {};
  mkdirSync(data, { mode: 0o700 });
  chmodSync(dir, 0o755);
  if (user.uid !== undefined && user.gid !== undefined) chownSync(data, user.uid, user.gid);
  execFileSync(
    demandBinary('initdb'),
    ['-D', data, '-U', 'postgres', '--auth=trust', '-N', '-E', 'UTF8', '--locale=C'],
    { ...user, cwd: dir, stdio: 'ignore' },
  );
  const settings = [
    `port=${port}`,
    'listen_addresses=127.0.0.1',
    `unix_socket_directories=${data}`,
    'fsync=off',
    'max_connections=100',
  ];
  const child = spawn(
    demandBinary('postgres'),
    ['-D', data, ...settings.flatMap((setting) => ['-c', setting])],
    { ...user, cwd: dir, stdio: 'ignore' },
  );
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const url = `postgres://postgres@127.0.0.1:${port}/postgres`;
  const server: PostgresServer = {
    url,
    port,
    dir,
    pid: child.pid ?? 0,
    kill: (signal) => void child.kill(signal),
    async stop() {
      child.kill('SIGCONT');
      // SIGINT is the fast shutdown: connections are ended.
      child.kill('SIGINT');
      const timer = setTimeout(() => child.kill('SIGKILL'), 5_000);
      await ended;
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

function nobody(): { uid: number; gid: number } {
  const line = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((entry) => entry.startsWith('nobody:'));
  const [, , uid, gid] = line?.split(':') ?? [];
  return { uid: Number(uid ?? 65_534), gid: Number(gid ?? 65_534) };
}
