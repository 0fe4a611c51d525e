import { createHash } from 'node:crypto';
import * as z from 'zod/mini';
import type { Config } from '../config/load.js';
import { messageOf } from '../errors.js';
import { postgresTargets } from '../postgres/target.js';
import { describe, redisTarget } from '../redis/target.js';
import { readJson, type State, writeDurably } from '../state/folder.js';
import type { Engine } from './engine.js';
import { queuesCalled } from './names.js';
import type { EngineName, QueueRef } from './queue.js';

/** Which Redis or Postgres of the configuration. */
export interface EngineId {
  name: EngineName;
  source: string;
}

/** What a search needs to know besides the engine. */
export interface Search {
  state: State;
  config: Config;
  now: number;
  /** Look at all keys and tables again, whatever is remembered. */
  discover: boolean;
}

/** The queues of one Redis or Postgres, and since when they are known. */
export interface Found {
  engine: Engine;
  /** `host:port`, without secrets. */
  address: string;
  queues: QueueRef[];
  found_at: number;
  /** From an earlier command, and looked at again: each of them exists. */
  remembered: boolean;
  /** Those that are remembered and gone. They are forgotten now. */
  vanished: QueueRef[];
  /** Why the answer could not be kept for the next command. */
  unwritable: string | null;
}

/**
 * The queues of an engine: those that are remembered and still exist, or all of them by a full
 * search, which is then remembered. A search of a large Redis takes seconds, a look at what is known
 * milliseconds.
 */
export async function findQueues(engine: Engine, search: Search): Promise<Found> {
  const source = whereIs(engine, search.config);
  const file = fileOf(search.state, 'known', engine, search.config);
  const memory = recall(file, engine);
  // That nothing was there is not worth remembering: whoever asks again has added something.
  const usable = !search.discover && memory !== undefined && memory.queues.length > 0;
  const queues = usable ? await engine.existing(memory.queues) : await engine.discover();
  const present = new Set(queues.map(nameOf));
  const vanished = memory?.queues.filter((queue) => !present.has(nameOf(queue))) ?? [];
  const found_at = usable ? memory.found_at : search.now;
  const changed = !usable || vanished.length > 0;
  return {
    engine,
    address: source.address,
    queues: [...queues].sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1)),
    found_at,
    remembered: usable,
    vanished,
    unwritable: changed ? remember(file, engine, source.address, found_at, queues) : null,
  };
}

/**
 * A queue that is not among the remembered ones may be new: looks for it by its name in every scope
 * that is known, and remembers it.
 */
export async function findNew(found: Found, name: string, search: Search): Promise<QueueRef[]> {
  const { engine } = found;
  const scopes = new Set(found.queues.map(({ scope }) => scope));
  for (const scope of configuredScopes(engine, search.config)) scopes.add(scope);
  const candidates = [...scopes].flatMap((scope) =>
    queuesCalled(engine.source, scope, name).map((queue) => ({
      engine: engine.name,
      source: engine.source,
      scope,
      queue,
    })),
  );
  const fresh = candidates.length > 0 ? await engine.existing(candidates) : [];
  if (fresh.length === 0) return [];
  found.queues.push(...fresh);
  const file = fileOf(search.state, 'known', engine, search.config);
  const address = addressOf(engine, search.config);
  found.unwritable ??= remember(file, engine, address, found.found_at, found.queues);
  return fresh;
}

/** What is remembered of every source of the configuration, without a look at whether it still exists. */
export function recallAll(state: State, config: Config): QueueRef[] {
  const sources = new Map(
    config.queues.map((entry) => {
      const source = entry.engine === 'bullmq' ? entry.redis : entry.postgres;
      return [`${entry.engine} ${source}`, { name: entry.engine, source }];
    }),
  );
  return [...sources.values()].flatMap((engine) => {
    return recall(fileOf(state, 'known', engine, config), engine)?.queues ?? [];
  });
}

const nameOf = ({ scope, queue }: Pick<QueueRef, 'scope' | 'queue'>) => `${scope}:${queue}`;

const memorySchema = z.object({
  engine: z.enum(['bullmq', 'pgboss']),
  source: z.string(),
  address: z.string(),
  found_at: z.number(),
  queues: z.array(z.object({ scope: z.string(), queue: z.string() })),
});

/** What is remembered; a file that is not there, torn or of another make counts for nothing. */
function recall(file: string, { name, source }: EngineId) {
  const memory = memorySchema.safeParse(readJson(file)).data;
  if (!memory || memory.engine !== name || memory.source !== source) return undefined;
  const queues = memory.queues.map((queue): QueueRef => ({ engine: name, source, ...queue }));
  return { found_at: memory.found_at, queues };
}

/** Keeps the answer. It is a convenience: where it cannot be written the reason is returned, not thrown. */
function remember(
  file: string,
  { name, source }: EngineId,
  address: string,
  found_at: number,
  queues: readonly QueueRef[],
): string | null {
  const kept = queues.map(({ scope, queue }) => ({ scope, queue }));
  const memory: z.infer<typeof memorySchema> = {
    engine: name,
    source,
    address,
    found_at,
    queues: kept,
  };
  try {
    writeDurably(file, `${JSON.stringify(memory)}\n`);
    return null;
  } catch (error) {
    return messageOf(error);
  }
}

/** Where the engine's Redis or Postgres is; never a secret. */
export function addressOf(engine: EngineId, config: Config): string {
  return whereIs(engine, config).address;
}

/** Another server, database, prefix or schema under the same name has other queues. */
function whereIs(
  { name, source }: EngineId,
  config: Config,
): { address: string; identity: string } {
  const entries = config.queues.filter(
    (entry) => (entry.engine === 'bullmq' ? entry.redis : entry.postgres) === source,
  );
  if (name === 'pgboss') {
    const address = postgresTargets(config).find((target) => target.name === source)?.address ?? '';
    return { address, identity: JSON.stringify([name, source, address, entries]) };
  }
  const target = redisTarget(config, source);
  const address = describe(target);
  const { db } = target.nodeAccess;
  return { address, identity: JSON.stringify([name, source, address, db ?? 0, entries]) };
}

function configuredScopes({ name, source }: EngineId, config: Config): string[] {
  return config.queues.flatMap((entry) => {
    if (entry.engine !== name) return [];
    if (entry.engine === 'bullmq') return entry.redis === source ? [entry.prefix] : [];
    return entry.postgres === source && entry.schema ? [entry.schema] : [];
  });
}

/** Where something is remembered of an engine: another server has another file. */
export function fileOf(
  state: State,
  kind: 'known' | 'samples',
  engine: EngineId,
  config: Config,
): string {
  const { name, source } = engine;
  const { identity } = whereIs(engine, config);
  const hash = createHash('sha256').update(identity).digest('hex').slice(0, 16);
  const file = `${name}-${source.replace(/[^\w-]/g, '_').slice(0, 40)}-${hash}.json`;
  return state.path('queues', kind, file);
}
