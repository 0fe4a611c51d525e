import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { onTestFinished } from 'vitest';
import { startBin } from '../e2e/bin.js';
import { configured } from '../health/estate.js';

interface Estate {
  environment?: string;
  redis?: unknown;
  postgres?: unknown;
  queues?: unknown[];
  migration?: unknown;
  prefix?: string;
}

/** Documents of NDJSON, or of one JSON document. */
export function documents(stdout: string) {
  return stdout
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line));
}

/** An estate with one Redis, `main`, keys `app:test:...`, and the `migrate` commands in it. */
export function migrating(url: string, { prefix = 'app', ...more }: Estate = {}) {
  const { folder, run } = configured({
    environment: 'test',
    redis: { main: { url } },
    keys: { prefix },
    ...more,
  });
  const state = join(folder, 'state', 'cache-ops');
  const env = { XDG_STATE_HOME: join(folder, 'state'), HOME: folder };
  const migrate = (argv: string[], overrides: Parameters<typeof run>[1] = {}) =>
    run(['migrate', ...argv, '--no-color'], overrides);
  const json = async (argv: string[], overrides: Parameters<typeof run>[1] = {}) => {
    const { code, stdout, stderr } = await migrate([...argv, '--json'], overrides);
    const all = documents(stdout);
    const error = stderr.startsWith('{') ? JSON.parse(stderr).error : undefined;
    const items = all.filter(({ type }) => type === 'item');
    return { code, stderr, error, items, result: all.at(-1) };
  };
  return {
    folder,
    state,
    migrate,
    json,
    /** Writes a file of JSON lines; text is written as it is. */
    file(name: string, entries: readonly unknown[]): string {
      const lines = entries.map((entry) =>
        typeof entry === 'string' ? entry : JSON.stringify(entry),
      );
      writeFileSync(join(folder, name), `${lines.join('\n')}\n`);
      return name;
    },
    /** Makes a plan and returns its id. */
    async plan(from: string, ...flags: string[]): Promise<string> {
      const { code, result, error } = await json([
        'plan',
        '--from',
        from,
        '--to',
        'redis:main',
        ...flags,
      ]);
      if (code !== 0 && code !== 4) throw new Error(error?.message);
      return result.id;
    },
    /** The same command as a process that can be killed. */
    start(bin: string, ...argv: string[]) {
      const child = startBin(['migrate', ...argv], { bin, env, cwd: folder });
      onTestFinished(() => void child.kill('SIGKILL'));
      return child;
    },
    audited(): Record<string, unknown>[] {
      const file = join(state, 'audit.ndjson');
      return existsSync(file) ? documents(readFileSync(file, 'utf8')) : [];
    },
  };
}

export type Site = ReturnType<typeof migrating>;

export const at = (minute: number) => new Date(Date.UTC(2024, 5, 7, 10, minute)).toISOString();

/** A task's status as an application has it in memory. */
export function task(number: number, more: object = {}) {
  return {
    user: `user-${number % 7}`,
    task: `task-${number}`,
    status: 'processing',
    progress: number % 101,
    updatedAt: at(number % 60),
    ...more,
  };
}

export const tasks = (count: number) => Array.from({ length: count }, (_, number) => task(number));

export const keyOf = ({ user, task: id }: { user: string; task: string }) =>
  `app:test:task:import:${user}:${id}`;

/** A client that is closed when the test ends. */
export function clientFor(url: string): Redis {
  const client = new Redis(url, { maxRetriesPerRequest: null });
  client.on('error', () => {});
  onTestFinished(() => client.disconnect());
  return client;
}
