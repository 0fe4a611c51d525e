import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { demandBinary } from './binaries.js';
import { freePort } from './ports.js';
import { until } from './wait.js';

export interface RedisOptions {
  port?: number;
  password?: string;
  aof?: boolean;
  /** ACL lines as in redis.conf, without the word `user`. */
  users?: string[];
  /** More lines of redis.conf. */
  config?: string[];
  /** Serve TLS on the port instead of plain text. */
  tls?: { cert: string; key: string; ca: string; clients?: 'yes' | 'no' | 'optional' };
  unixSocket?: boolean;
  /** A sentinel rather than a data server. */
  sentinel?: boolean;
}

export interface RedisServer {
  host: '127.0.0.1';
  port: number;
  password: string | undefined;
  url: string;
  socketPath: string | undefined;
  dir: string;
  /** The pid that runs now: after a restart through `startCommand` another one. */
  readonly pid: number;
  pidFile: string;
  configFile: string;
  /** Starts this same server again, as a daemon. */
  startCommand: string;
  kill(signal: NodeJS.Signals): void;
  stop(): Promise<void>;
}

const running = new Set<RedisServer>();
process.once('exit', () => {
  for (const server of running) server.kill('SIGKILL');
});

/** A real redis-server on a free loopback port in a folder of its own; it answers when this resolves. */
export async function startRedis(options: RedisOptions = {}): Promise<RedisServer> {
  const {
    password,
    aof = false,
    users = [],
    config = [],
    tls,
    unixSocket,
    sentinel = false,
  } = options;
  const port = options.port ?? (await freePort());
  const dir = mkdtempSync(join(tmpdir(), 'cache-ops-redis-'));
  const configFile = join(dir, 'redis.conf');
  const pidFile = join(dir, 'redis.pid');
  const socketPath = unixSocket ? join(dir, 'redis.sock') : undefined;
  const program = demandBinary('redis-server');
  writeFileSync(
    configFile,
    [
      'bind 127.0.0.1',
      tls
        ? `port 0\ntls-port ${port}\ntls-cert-file ${tls.cert}\ntls-key-file ${tls.key}\ntls-ca-cert-file ${tls.ca}\ntls-auth-clients ${tls.clients ?? 'no'}`
        : `port ${port}`,
      `dir ${dir}`,
      `pidfile ${pidFile}`,
      `logfile ${join(dir, 'redis.log')}`,
      'daemonize yes',
      ...(sentinel ? [] : ['save ""', `appendonly ${aof ? 'yes' : 'no'}`]),
      ...(password ? [`requirepass "${password}"`] : []),
      ...(socketPath ? [`unixsocket ${socketPath}`] : []),
      ...users.map((user) => `user ${user}`),
      ...config,
      '',
    ].join('\n'),
    { mode: 0o600 },
  );
  const pid = () => (existsSync(pidFile) ? Number(readFileSync(pidFile, 'utf8')) : 0);
  const kill = (signal: NodeJS.Signals) => {
    try {
      if (pid() > 0) process.kill(pid(), signal);
    } catch {
      // It has ended.
    }
  };
  const server: RedisServer = {
    host: '127.0.0.1',
    port,
    password,
    url: `${tls ? 'rediss' : 'redis'}://${password ? `:${encodeURIComponent(password)}@` : ''}127.0.0.1:${port}`,
    socketPath,
    dir,
    get pid() {
      return pid();
    },
    pidFile,
    configFile,
    startCommand: `${program} ${configFile}${sentinel ? ' --sentinel' : ''}`,
    kill,
    async stop() {
      const last = pid();
      kill('SIGKILL');
      await until(() => last === 0 || !isRunning(last), { what: 'the end of redis-server' });
      running.delete(server);
      rmSync(dir, { recursive: true, force: true });
    },
  };
  running.add(server);
  spawn(program, [configFile, ...(sentinel ? ['--sentinel'] : [])], { stdio: 'ignore' });
  // Another test may have been quicker to take the port; then somebody else answers on it.
  const isTaken = () => /Failed listening|bind: Address/.test(logText(dir));
  await until(async () => isTaken() || (pid() > 0 && (await answers(port, tls !== undefined))), {
    timeout: 10_000,
    what: `redis-server, see ${dir}/redis.log`,
  });
  if (isTaken() && options.port === undefined) {
    await server.stop();
    return startRedis(options);
  }
  return server;
}

function logText(dir: string): string {
  const file = join(dir, 'redis.log');
  return existsSync(file) ? readFileSync(file, 'utf8') : '';
}

export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    // A killed process is a zombie while its last threads end; until then its port answers.
    return (
      !readFileSync(`/proc/${pid}/stat`, 'latin1').includes(') Z ') ||
      readdirSync(`/proc/${pid}/task`).length > 1
    );
  } catch {
    return false;
  }
}

function answers(port: number, tls: boolean): Promise<boolean> {
  return new Promise((resolve) => {
    const done = (result: boolean) => {
      socket.destroy();
      resolve(result);
    };
    const greet = () => socket.write('PING\r\n');
    const socket = tls
      ? connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false }, () => done(true))
      : connect(port, '127.0.0.1', greet);
    socket.once('data', () => done(true));
    // A server that wants a client certificate says so in TLS: it answers.
    socket.once('error', (error: NodeJS.ErrnoException) =>
      done(error.code?.startsWith('ERR_SSL') === true),
    );
    socket.setTimeout(500, () => done(false));
  });
}
