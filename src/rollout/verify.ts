import { randomBytes } from 'node:crypto';
import {
  type Application,
  deleteKey,
  type Limits,
  readHealth,
  readKey,
  writeKey,
} from '../applications/client.js';
import type { Masters } from '../keys/masters.js';
import { parseInfo } from '../redis/info.js';
import { ask, type JsonAnswer } from './http.js';
import { type Check, runCheck, Skip, type Stage, SURVIVES } from './stages.js';

/** What a stage is verified against. */
export interface Estate {
  masters: Masters;
  /** `{prefix}:{env}:` as bytes. */
  prefix: string;
  applications: readonly Application[];
  limits: Limits;
  /** Whether a restart is verified besides: then it is not said how to. */
  restarts: boolean;
}

/** Times to live that keys may have at most, in milliseconds. */
const MOST_MS = { task: 48 * 3_600_000, session: 6 * 3_600_000 } as const;

/**
 * The acceptance checks of a stage, run for real: with users and ids of their own, all of which are
 * removed again. Checks of different applications run one after the other, as they share keys.
 */
export async function verifyStage(stage: Stage, estate: Estate): Promise<Check[]> {
  const mark = `cache-ops-${randomBytes(6).toString('hex')}`;
  if (stage === 0) return [...(await durable(estate)), ...(await unused(estate))];
  if (stage === 1) return taskChecks(estate, mark);
  if (stage === 2) return sessionChecks(estate, mark);
  return cacheChecks(estate, mark);
}

async function durable({ masters, restarts }: Estate): Promise<Check[]> {
  const checks: Check[] = [];
  for (const node of masters.nodes) {
    const of = `${masters.target} ${node.address}`;
    const info = parseInfo(String(await node.channel.send('INFO')));
    checks.push(
      await runCheck(of, 'healthy', async () => {
        if ((await node.channel.send('PING')) !== 'PONG')
          throw new Error('the answer to PING is not PONG');
        if (info.loading === '1') throw new Error('it is still loading its data');
        return `up for ${info.uptime_in_seconds} s`;
      }),
      await runCheck(of, 'append-only file', async () => {
        if (info.aof_enabled !== '1')
          throw new Error('appendonly is off: CONFIG SET appendonly yes');
        if (info.aof_last_write_status !== 'ok') throw new Error('its last write failed');
        return 'on, the last write is ok';
      }),
    );
    if (!restarts)
      checks.push(
        await runCheck(of, SURVIVES, async () => {
          throw new Skip('Redis is not restarted without --restart');
        }),
      );
  }
  return checks;
}

async function unused({ applications, limits }: Estate): Promise<Check[]> {
  const checks: Check[] = [];
  for (const application of applications)
    checks.push(
      await runCheck(application.name, 'in memory mode', async () => {
        const { ok, mode, error } = await readHealth(application, limits);
        if (!ok) throw new Error(error);
        if (mode !== 'memory') throw new Error(`it is in ${mode} mode: a switch is on already`);
        return mode;
      }),
    );
  return checks;
}

async function taskChecks(estate: Estate, mark: string): Promise<Check[]> {
  const { prefix, masters } = estate;
  const user = `${mark}-a`;
  return forEach(estate, async (application, others, as) => {
    const task = `${mark}-${application.name}`;
    const path = `/api/tasks/${task}`;
    const key = `${prefix}task:import:${user}:${task}`;
    try {
      return [
        await runCheck(application.name, 'stores task status', async () => {
          const body = { status: 'processing', progress: 40 };
          demand(await as(application, 'PUT', path, { user, body }), 200);
          return undefined;
        }),
        await runCheck(application.name, 'it is in Redis, with a time to live', () =>
          keyWithin(masters, key, MOST_MS.task),
        ),
        await throughOthers(application, others, 'polling works through', async (other) => {
          const { body } = demand(await as(other, 'GET', path, { user }), 200);
          if (body.progress !== 40) throw new Error(`${other.name} shows another status`);
        }),
        await runCheck(application.name, "another user's task is not found", async () => {
          demand(await as(application, 'GET', path, { user: `${mark}-b` }), 404);
          return undefined;
        }),
      ];
    } finally {
      await remove(masters, key);
    }
  });
}

async function sessionChecks(estate: Estate, mark: string): Promise<Check[]> {
  const { prefix, masters } = estate;
  const user = `${mark}-a`;
  return forEach(estate, async (application, others, as) => {
    const checks: Check[] = [];
    for (const kind of ['generate', 'optimize', 'search']) {
      const task = `${mark}-${application.name}`;
      const path = `/api/sessions/${kind}/${task}`;
      const key = `${prefix}chat:${kind}:${user}:${task}`;
      try {
        checks.push(
          await runCheck(application.name, `${kind}: keeps the context`, async () => {
            const body = { role: 'user', content: mark };
            demand(await as(application, 'POST', path, { user, body }), 200);
            return undefined;
          }),
          await runCheck(application.name, `${kind}: in Redis, with a time to live`, () =>
            keyWithin(masters, key, MOST_MS.session),
          ),
          await throughOthers(application, others, `${kind}: goes on through`, async (other) => {
            const { body } = demand(await as(other, 'GET', path, { user }), 200);
            if (!JSON.stringify(body).includes(mark)) throw new Error(`${other.name} has lost it`);
          }),
          await runCheck(application.name, `${kind}: no two users share it`, async () => {
            demand(await as(application, 'GET', path, { user: `${mark}-b` }), 404);
            return undefined;
          }),
        );
      } finally {
        await remove(masters, key);
      }
    }
    return checks;
  });
}

async function cacheChecks(estate: Estate, mark: string): Promise<Check[]> {
  const { limits } = estate;
  return forEach(estate, async (application, others, as) => {
    const key = `${mark}-${application.name}`;
    const { probe } = application.config;
    const probed = async <T>(work: () => Promise<T>) => {
      if (!probe) throw new Skip(`applications.${application.name}.probe is not set`);
      return work();
    };
    try {
      return [
        await runCheck(application.name, 'in redis mode', async () => {
          const { ok, mode, error } = await readHealth(application, limits);
          if (!ok) throw new Error(error);
          if (mode !== 'redis') throw new Error(`it is in ${mode} mode`);
          return mode;
        }),
        await runCheck(application.name, 'caches', () =>
          probed(async () => {
            const { ok, error } = await writeKey(application, key, mark, limits);
            if (!ok) throw new Error(error);
            return undefined;
          }),
        ),
        await throughOthers(application, others, 'shares its cache with', (other) =>
          probed(async () => {
            const { ok, error } = await readKey(other, key, mark, limits);
            if (!ok) throw new Error(`${other.name}: ${error}`);
          }),
        ),
        await runCheck(application.name, 'counts requests in Redis', async () => {
          const { pathname } = new URL(application.config.health);
          const { body } = await as(application, 'GET', pathname, {});
          if (body.rate_limit === undefined) throw new Skip('its health does not say');
          if (body.rate_limit !== 'redis') throw new Error(`it counts in ${body.rate_limit}`);
          return undefined;
        }),
      ];
    } finally {
      if (probe) await deleteKey(application, key, { timeout: limits.timeout });
    }
  });
}

type As = (
  application: Application,
  method: string,
  path: string,
  request: { user?: string; body?: unknown },
) => Promise<JsonAnswer>;

async function forEach(
  { applications, limits }: Estate,
  checks: (application: Application, others: Application[], as: As) => Promise<Check[]>,
): Promise<Check[]> {
  const as: As = (application, method, path, request) =>
    ask(application, method, path, limits, request);
  const all: Check[] = [];
  for (const application of applications) {
    limits.signal?.throwIfAborted();
    const others = applications.filter((other) => other !== application);
    all.push(...(await checks(application, others, as)));
  }
  return all;
}

/** A restart of the application is stood in for by another instance: it has none of its memory either. */
function throughOthers(
  { name }: Application,
  others: readonly Application[],
  check: string,
  look: (other: Application) => Promise<void>,
): Promise<Check> {
  return runCheck(name, `${check} another instance`, async () => {
    if (others.length === 0) throw new Skip('there is no other instance to look through');
    for (const other of others) await look(other);
    return others.map((other) => other.name).join(', ');
  });
}

function demand(answer: JsonAnswer, expected: number): JsonAnswer {
  if (answer.status === expected) return answer;
  throw new Error(`answered ${answer.status}, expected ${expected}`);
}

async function keyWithin(masters: Masters, key: string, most: number): Promise<string> {
  const { channel } = await masters.owner(key);
  const ttl = await channel.send('PTTL', key);
  if (ttl === -2) throw new Error('it is not in Redis: is the switch on?');
  if (ttl === -1) throw new Error('it never expires');
  if (typeof ttl !== 'number' || ttl > most) throw new Error(`it lives for ${ttl} ms`);
  return `${Math.round(ttl / 1_000)} s`;
}

async function remove(masters: Masters, key: string): Promise<void> {
  const { channel } = await masters.owner(key);
  await channel.send('DEL', key);
}
