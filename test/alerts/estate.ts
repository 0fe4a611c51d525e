import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { Notification } from '../../src/alerts/notification.js';
import { type AlertLine, type CheckResult, isUnknown } from '../../src/alerts/result.js';
import { type Overrides, runCli } from '../cli.js';
import { startBin } from '../e2e/bin.js';
import { command } from '../servers/command.js';
import { isRunning, type RedisOptions, type RedisServer, startRedis } from '../servers/redis.js';
import { until } from '../servers/wait.js';
import { type Receiver, startReceiver } from './receiver.js';

export const MB = 1024 ** 2;
export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;

export async function redisFor(options?: RedisOptions): Promise<RedisServer> {
  const server = await startRedis(options);
  onTestFinished(() => server.stop());
  return server;
}

/** A Redis of 100 MB of which so much is filled, as INFO counts it. */
export async function redisOf100(policy = 'noeviction') {
  const redis = await redisFor({ config: ['maxmemory 100mb', `maxmemory-policy ${policy}`] });
  const used = async () =>
    Number(/used_memory:(\d+)/.exec(await command(redis.port, 'INFO memory'))?.[1]);
  return {
    redis,
    async fill(percent: number) {
      await command(redis.port, 'FLUSHALL');
      // What the allocator takes for one of these; for large ones it takes a quarter more.
      const keys = Math.round((percent * MB - (await used())) / 114_688);
      const lines = Array.from({ length: keys }, (_, key) => `SETRANGE key:${key} 114000 x`);
      await command(redis.port, lines.join('\r\n'));
    },
  };
}

/** A webhook that a real HTTP server is behind. */
export async function startHook(): Promise<{
  receiver: Receiver;
  sink: object;
  /** What has come, as `kind rule, rule`. */
  told(): string[];
  notifications(): Notification[];
}> {
  const receiver = await startReceiver();
  const notifications = () => receiver.requests.map(({ body }) => JSON.parse(body) as Notification);
  return {
    receiver,
    sink: { name: 'hook', type: 'webhook', url: `${receiver.url}/hook`, secret: 'a-secret' },
    notifications,
    told: () =>
      notifications().map(
        ({ kind, alerts }) => `${kind} ${alerts.map(({ rule }) => rule).join(', ')}`,
      ),
  };
}

/** Kills it with -9, and waits for its end. */
export async function killed(redis: RedisServer): Promise<void> {
  const { pid } = redis;
  redis.kill('SIGKILL');
  await until(() => !isRunning(pid));
}

/** Starts it again. */
export async function restarted({ startCommand, port }: RedisServer): Promise<void> {
  const [program = '', file = ''] = startCommand.split(' ');
  execFileSync(program, [file]);
  const answers = async () => (await command(port, 'PING')).includes('PONG');
  await until(() => answers().catch(() => false));
}

export type Estate = ReturnType<typeof alertEstate>;

/** `alert watch` as a process of its own. */
export function startWatchOf(bin: string, { env, folder: cwd }: Estate, argv: string[] = []) {
  const all = ['alert', 'watch', '--json', '--interval', '100ms', ...argv];
  const watch = startBin(all, { bin, env, cwd });
  onTestFinished(() => void watch.kill('SIGKILL'));
  /** Looks so far. */
  const looks = () =>
    watch.said.stdout
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line))
      .filter(({ type }) => type === 'progress');
  return {
    ...watch,
    looks,
    /** Waits for so many more. */
    async looksOn(count = 3) {
      const before = looks().length;
      await until(() => looks().length >= before + count, { timeout: 20_000 });
    },
  };
}

/** A folder with a configuration, a state of its own, and a clock that stands still until it is moved. */
export function alertEstate(config: object) {
  const folder = mkdtempSync(join(tmpdir(), 'cache-ops-alerts-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const write = (changed: object) =>
    writeFileSync(join(folder, 'cache-ops.yaml'), JSON.stringify(changed));
  write(config);
  const env = { XDG_STATE_HOME: join(folder, 'state'), HOME: folder };
  const clock = { now: Date.parse('2026-03-01T12:00:00Z') };
  const run = (argv: string[], overrides: Overrides = {}) =>
    runCli(argv, { env, cwd: folder, now: () => clock.now, ...overrides });
  return {
    folder,
    env,
    clock,
    write,
    run,
    /** `alert check --json`: its exit code, its document, and what is not simply well. */
    async check(argv: string[] = [], overrides: Overrides = {}) {
      const { code, stdout, stderr } = await run(['alert', 'check', '--json', ...argv], overrides);
      if (stdout === '') throw new Error(stderr);
      const result: CheckResult = JSON.parse(stdout);
      return {
        code,
        result,
        states: statesOf(result.alerts),
        line: (rule: string, target = 'redis:main') =>
          result.alerts.find((line) => line.rule === rule && line.target === target),
      };
    },
  };
}

/** `firing critical down`, in their order; neither what is well nor what is unknown for a known reason. */
export function statesOf(alerts: readonly AlertLine[]): string[] {
  return (
    alerts
      // On a busy machine a round trip of this process may take long.
      .filter(({ rule }) => rule !== 'latency')
      .filter((line) => isUnknown(line) || !['inactive', 'unknown'].includes(line.phase))
      .map(({ phase, severity, rule }) => [phase, severity, rule].filter(Boolean).join(' '))
  );
}
