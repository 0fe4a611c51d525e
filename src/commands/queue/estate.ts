import { nearest } from '../../config/nearest.js';
import type { Context } from '../../context.js';
import { CacheOpsError, messageOf } from '../../errors.js';
import { say } from '../../output/emit.js';
import { startProgress } from '../../output/progress.js';
import type { Place } from '../../queues/bulk/choose.js';
import type { Engine } from '../../queues/engine.js';
import { addressOf, type Found, findNew, findQueues, type Search } from '../../queues/known.js';
import { calledSo, fullName } from '../../queues/names.js';
import type { EngineName, QueueRef } from '../../queues/queue.js';

/** A Redis or Postgres with queues: what was found there, or why nothing could be. */
export interface Source {
  engine: EngineName;
  source: string;
  address: string;
  found: Found | null;
  problem: string | null;
}

/** The queues of the configuration while a command runs. */
export interface Estate {
  sources: Source[];
  /** Every queue that could be found. */
  places: Place[];
  /**
   * The queues of these names (`name`, `scope:name`, `source/scope:name`), all for none. Throws for
   * a name that no queue has, or several.
   */
  named(names: readonly string[]): Promise<Place[]>;
  /** Those of these queues that have a job of this id. */
  holding(places: readonly Place[], id: string): Promise<Place[]>;
}

/** Opens every engine and finds the queues, of all engines at the same time. */
export async function withEstate<T>(
  context: Context,
  { discover = false }: { discover?: boolean | undefined },
  work: (estate: Estate) => Promise<T>,
): Promise<T> {
  const config = await context.config();
  if (config.queues.length === 0) {
    throw new CacheOpsError(
      'config',
      'no queues are configured',
      'write them into cache-ops.yaml: queues: [{ engine: bullmq, redis: main }]',
    );
  }
  // Not before it is needed: the client of Postgres takes its time to load.
  const { withEngines } = await import('../../queues/engines.js');
  const { state, signal, now } = context;
  const search: Search = { state, config, now: now(), discover };
  const limits = { timeout: context.settings.timeout, signal };
  return withEngines(config, limits, async (engines) => {
    const sources = await look(context, engines, search);
    return work({
      sources,
      places: placesOf(sources),
      named: (names) => named(sources, names, search),
      holding: async (places, id) => {
        const found = await Promise.all(
          engines.map(async (engine) => {
            const own = places.filter((place) => place.engine === engine);
            if (own.length === 0) return [];
            const refs = await engine.holding(
              own.map(({ ref }) => ref),
              id,
            );
            return refs.map((ref): Place => ({ engine, ref }));
          }),
        );
        return found.flat();
      },
    });
  });
}

/** What has been said of a source that could not be read: never a secret. */
export async function problemOf(context: Context, engine: Engine, error: unknown): Promise<string> {
  context.signal.throwIfAborted();
  if (engine.name === 'bullmq' || error instanceof CacheOpsError) return messageOf(error);
  const { explainPostgres } = await import('../../postgres/explain.js');
  return explainPostgres(error, context.settings.timeout);
}

/** The sources that cannot be read, for an error: an answer without them would be no answer. */
export function unread(sources: readonly Source[]): string | undefined {
  const dead = sources.filter(({ problem }) => problem !== null);
  if (dead.length === 0) return undefined;
  return dead
    .map(({ engine, source, problem }) => `${engine} on ${source} cannot be read: ${problem}`)
    .join('; ');
}

async function look(
  context: Context,
  engines: readonly Engine[],
  search: Search,
): Promise<Source[]> {
  const progress = await startProgress(context, 'Looking for queues');
  try {
    return await Promise.all(
      engines.map(async (engine): Promise<Source> => {
        const { name, source } = engine;
        const known = { engine: name, source, address: addressOf(engine, search.config) };
        try {
          const found = await findQueues(engine, search);
          remark(context, found);
          return { ...known, found, problem: null };
        } catch (error) {
          return { ...known, found: null, problem: await problemOf(context, engine, error) };
        }
      }),
    );
  } finally {
    progress.stop();
  }
}

/** Not with --json: an error alone is to stand on stderr then. `queue ls` has `vanished`. */
function remark(context: Context, { vanished, unwritable }: Found): void {
  if (context.settings.json) return;
  for (const ref of vanished.slice(0, 5)) say(context, `${fullName(ref)} is gone; forgotten`);
  if (vanished.length > 5) say(context, `${vanished.length - 5} more queues are gone; forgotten`);
  if (unwritable !== null) say(context, `the queues cannot be remembered: ${unwritable}`);
}

function placesOf(sources: readonly Source[]): Place[] {
  return sources.flatMap(({ found }) =>
    found ? found.queues.map((ref): Place => ({ engine: found.engine, ref })) : [],
  );
}

async function named(
  sources: readonly Source[],
  names: readonly string[],
  search: Search,
): Promise<Place[]> {
  if (names.length === 0) return placesOf(sources);
  const chosen = new Map<QueueRef, Place>();
  for (const name of names) {
    const place = onlyOne(name, await calledOrNew(sources, name, search));
    if (!place) throw unknownQueue(sources, name);
    chosen.set(place.ref, place);
  }
  return [...chosen.values()];
}

async function calledOrNew(
  sources: readonly Source[],
  name: string,
  search: Search,
): Promise<Place[]> {
  const known = placesOf(sources).filter(({ ref }) => calledSo(ref, name));
  if (known.length > 0) return known;
  const looks = sources.map(async ({ found }) => {
    if (!found?.remembered) return [];
    const fresh = await findNew(found, name, search);
    return fresh.map((ref): Place => ({ engine: found.engine, ref }));
  });
  return (await Promise.all(looks)).flat();
}

function onlyOne(name: string, places: readonly Place[]): Place | undefined {
  if (places.length < 2) return places[0];
  const candidates = places.map(({ ref }) => fullName(ref));
  throw new CacheOpsError(
    'usage',
    `"${name}" is the name of ${places.length} queues: ${candidates.join(', ')}`,
    `say which: --queue ${candidates[0]}`,
  );
}

/** Where a source cannot be read, the queue may well be there. */
export function unknownQueue(sources: readonly Source[], name: string): CacheOpsError {
  const dead = unread(sources);
  const known = placesOf(sources).map(({ ref }) => ref.queue);
  if (dead) return new CacheOpsError('connect', `no queue is known as "${name}", and ${dead}`);
  const hint = known.length > 0 ? near(name, known) : 'there is no queue at all';
  const remembered = sources.some(({ found }) => found?.remembered);
  return new CacheOpsError(
    'not_found',
    `no queue is named "${name}"`,
    remembered ? `${hint} (queue ls --discover looks for new ones)` : hint,
  );
}

/** The nearest names; of hundreds not all of them. */
function near(name: string, known: readonly string[]): string {
  const unique = [...new Set(known)];
  const hint = nearest(name, unique);
  if (unique.length <= 20 || !hint.startsWith('known:')) return hint;
  return `there are ${unique.length} queues: cache-ops queue ls`;
}
