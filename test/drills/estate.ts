import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { startService } from '../../src/service/server.js';
import { settingsFrom } from '../../src/service/settings.js';
import { type Outcome, type Overrides, runCli } from '../cli.js';
import { type RedisServer, startRedis } from '../servers/redis.js';
import { removeFolder, until } from '../servers/wait.js';
import { type Fault, startDouble } from './doubles.js';
import { fingerprintOf } from './fingerprint.js';

export interface EstateOptions {
  double?: Fault;
  /** The port that the double leans on; that of Redis unless given. */
  doubleOn?: number;
  /** The port that services connect to; that of Redis unless given. */
  through?: number;
  aof?: boolean;
  /** Replaces the start command of the configuration; made from the real one. */
  start?: (real: string) => string;
  /** Lines of configuration at the top. */
  head?: string;
  control?: 'process' | 'command' | 'none' | { yaml: string };
  /** More lines of redis.conf. */
  config?: string[];
  /** A Redis that is there, with the same password, rather than one of its own. */
  server?: Pick<RedisServer, 'port' | 'pid' | 'pidFile' | 'startCommand' | 'kill' | 'stop'>;
  /** Programs of an orchestrator that is not here, by name: shell scripts, found before the real ones. */
  standIns?: (redis: { stop: string; start: string }) => Record<string, string>;
  env?: Record<string, string>;
  /** How the drill reaches Redis; by its port unless given. */
  url?: string;
  /** More lines of the configuration. */
  yaml?: string[];
}

/** A Redis that a drill may stop, applications on it, a configuration, and a state folder of its own. */
export async function startEstate({
  double,
  doubleOn,
  through,
  aof = true,
  start,
  head = '',
  control = 'process',
  config = [],
  server,
  standIns,
  env: extra = {},
  url,
  yaml = [],
}: EstateOptions = {}) {
  const redis = server ?? (await startRedis({ password: 'pass word', aof, config }));
  const folder = mkdtempSync(join(tmpdir(), 'cache-ops-drill-'));
  const env = {
    XDG_STATE_HOME: join(folder, 'state'),
    PATH: `${join(folder, 'bin')}:${process.env.PATH}`,
    HOME: folder,
    REDIS_SECRET: 'pass word',
    ...extra,
  };
  const programs = standIns?.({
    stop: `kill $(cat ${redis.pidFile})`,
    start: redis.startCommand,
  });
  for (const [name, script] of Object.entries(programs ?? {})) {
    mkdirSync(join(folder, 'bin'), { recursive: true });
    // Each call is written down, one argument in brackets.
    const log = `{ printf '%s' ${name}; printf ' [%s]' "$@"; echo; } >>${folder}/calls`;
    writeFileSync(join(folder, 'bin', name), `#!/bin/sh\n${log}\n${script}\n`, { mode: 0o755 });
  }
  const settings = () =>
    settingsFrom(
      {
        REDIS_HOST: '127.0.0.1',
        REDIS_PORT: String(through ?? redis.port),
        REDIS_PASSWORD: 'pass word',
        CACHE_TYPE: 'redis',
      },
      { instance: 'test' },
    );
  const services = double ? [] : [await startService(settings()), await startService(settings())];
  const liar = double ? await startDouble(double, doubleOn ?? redis.port) : undefined;
  const urls = liar ? [liar.url] : services.map(({ url }) => url);
  const command = start ? start(redis.startCommand) : redis.startCommand;
  const controls = {
    process: `    control: { process: { pidFile: "${redis.pidFile}", start: ${JSON.stringify(command)} } }`,
    command: `    control: { command: { stop: "kill $(cat ${redis.pidFile})", start: ${JSON.stringify(command)} } }`,
    none: '',
  };
  writeFileSync(
    join(folder, 'cache-ops.yaml'),
    [
      head,
      'redis:',
      '  main:',
      `    url: ${url ?? `redis://127.0.0.1:${redis.port}`}`,
      '    password: ${REDIS_SECRET}',
      typeof control === 'string' ? controls[control] : `    control: ${control.yaml}`,
      ...yaml,
      'applications:',
      ...urls.flatMap((url, index) => [
        `  app-${index + 1}:`,
        `    health: ${url}/api/health`,
        '    probe: { write: "PUT /api/cache/{key}", read: "GET /api/cache/{key}" }',
      ]),
    ].join('\n'),
  );
  /** A key's value; null when there is none, undefined when Redis does not answer. */
  const redisGet = async (key: string): Promise<string | null | undefined> => {
    const client = new Redis(redis.port, '127.0.0.1', {
      password: 'pass word',
      lazyConnect: true,
      retryStrategy: () => null,
      disconnectTimeout: 50,
      // The ready check waits a whole second for a server that is loading.
      enableReadyCheck: false,
    });
    client.on('error', () => {});
    try {
      await client.connect();
      return await client.get(key);
    } catch {
      return undefined;
    } finally {
      client.disconnect();
    }
  };
  const inFolder: Overrides = { env, cwd: folder };
  return {
    redis,
    folder,
    env,
    urls,
    run: (argv: string[], overrides: Overrides = {}): Promise<Outcome> =>
      runCli(argv, { ...inFolder, ...overrides }),
    spawn: (argv: string[]) => spawnCli(argv, { env, cwd: folder }),
    redisGet,
    /** Whether Redis answers with its password. */
    answers: async () => (await redisGet('none')) !== undefined,
    async redisSet(key: string, value: string): Promise<void> {
      const client = new Redis(redis.port, '127.0.0.1', { password: 'pass word' });
      await client.set(key, value);
      client.disconnect();
    },
    watchdog: () => watchdogIn(folder),
    /** What the stand-ins were called with. */
    calls: () => readFileSync(join(folder, 'calls'), 'utf8').trimEnd().split('\n'),
    /** Every setting, user and key, to see that all is as before. */
    fingerprint: (timeout = 5_000): Promise<string> =>
      fingerprintOf({ port: redis.port, password: 'pass word', timeout }),
    async stop(): Promise<void> {
      await liar?.stop();
      await Promise.all(services.map((service) => service.close()));
      await redis.stop();
      // A watchdog of a killed command may be closing its drill just now.
      await removeFolder(folder);
    },
  };
}

export type Estate = Awaited<ReturnType<typeof startEstate>>;

const BIN = new URL('../../bin/cache-ops.js', import.meta.url).pathname;

/** The built command as a process of its own, leading its own process group; `until` awaits a word of its output. */
export function spawnCli(
  argv: string[],
  { env, cwd }: { env: Record<string, string | undefined>; cwd: string },
) {
  const child: ChildProcess = spawn(process.execPath, [BIN, ...argv], {
    env: env as NodeJS.ProcessEnv,
    cwd,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  child.stdout?.on('data', (chunk) => {
    output += chunk;
  });
  child.stderr?.on('data', (chunk) => {
    output += chunk;
  });
  const ended = new Promise<number | NodeJS.Signals>((resolve) =>
    child.once('exit', (code, signal) => resolve(code ?? signal ?? -1)),
  );
  return {
    pid: child.pid as number,
    ended,
    get output() {
      return output;
    },
    kill: (signal: NodeJS.Signals) => child.kill(signal),
    killGroup: (signal: NodeJS.Signals) => process.kill(-(child.pid as number), signal),
    says: (word: string) => until(() => output.includes(word), { timeout: 20_000 }),
  };
}

/** The watchdog's process id, from the journal of the one open drill. */
export function watchdogIn(folder: string): number {
  const open = join(folder, 'state', 'cache-ops', 'drills', 'open');
  const [name = ''] = readdirSync(open);
  return JSON.parse(readFileSync(join(open, name, 'journal.json'), 'utf8')).watchdog.pid;
}

/** The last line of a drill's output: its report. */
export function summary(stdout: string) {
  return JSON.parse(stdout.trim().split('\n').at(-1) ?? '');
}
