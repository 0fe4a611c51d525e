import { CacheOpsError } from '../../errors.js';
import {
  type Limits,
  openPostgres,
  type PostgresSession,
  type Query,
} from '../../postgres/client.js';
import type { PostgresTarget } from '../../postgres/target.js';
import type { Engine } from '../engine.js';
import type { Chosen } from '../operation.js';
import type { QueueRef, QueueSnapshot } from '../queue.js';
import { applyTo } from './apply.js';
import { type Dialect, dialectOf } from './dialect.js';
import { inWords, retried } from './failures.js';
import { isUuid, listJobs, type Read } from './listing.js';
import { previewOf } from './preview.js';
import { findSchemas, readTables, readVersion } from './schemas.js';
import { showJob } from './show.js';
import { namesOf, snapshotQueues } from './snapshot.js';
import { statsOf } from './stats.js';

/**
 * The pg-boss queues of one Postgres; `schemas` undefined: every schema that has pg-boss tables.
 * Reads and writes have a connection each, so that the next page of jobs is read while a chunk is
 * changed. No pg-boss client is opened: it would migrate the schema, or register itself in it.
 */
export function openPgboss(
  target: PostgresTarget,
  schemas: readonly string[] | undefined,
  limits: Limits,
): Engine {
  const reading = openPostgres(target, limits);
  const writing = [openPostgres(target, limits), openPostgres(target, limits)];
  const read: Read = (work) => inWords(target, limits, () => reading.read(work));
  let found: Promise<Map<string, Dialect>> | undefined;

  function dialects(): Promise<Map<string, Dialect>> {
    found ??= read((query) => readDialects(query, target, schemas)).catch((error) => {
      found = undefined;
      throw error;
    });
    return found;
  }

  async function dialectFor({ scope }: QueueRef): Promise<Dialect> {
    const dialect = (await dialects()).get(scope);
    if (dialect) return dialect;
    throw missing(scope, target);
  }

  /** The work on each schema that queues are of, in one transaction. */
  async function perSchema<T>(
    queues: readonly QueueRef[],
    work: (query: Query, d: Dialect, names: string[]) => Promise<T[]>,
  ): Promise<T[]> {
    const known = await dialects();
    return read(async (query) => {
      const results: T[] = [];
      for (const [scope, d] of known) {
        const names = queues.filter((ref) => ref.scope === scope).map(({ queue }) => queue);
        if (names.length > 0) results.push(...(await work(query, d, names)));
      }
      return results;
    });
  }

  const refOf = (d: Dialect, queue: string): QueueRef => ({
    engine: 'pgboss',
    source: target.name,
    scope: d.schema,
    queue,
  });

  /** Of these queues, those whose names a query returned, in the order given. */
  async function among(
    queues: readonly QueueRef[],
    names: (query: Query, d: Dialect, names: string[]) => Promise<{ name: string }[]>,
  ): Promise<QueueRef[]> {
    const there = await perSchema(queues, async (query, d, asked) =>
      (await names(query, d, asked)).map(({ name }) => keyOf(refOf(d, name))),
    );
    const keys = new Set(there);
    return queues.filter((ref) => keys.has(keyOf(ref)));
  }

  return {
    name: 'pgboss',
    source: target.name,

    async discover() {
      const known = await dialects();
      return read(async (query) => {
        const refs: QueueRef[] = [];
        for (const d of known.values()) {
          const rows = await query<{ name: string }>(`${namesOf(d)} ORDER BY 1`);
          refs.push(...rows.map(({ name }) => refOf(d, name)));
        }
        return refs;
      });
    },

    existing: (queues) =>
      among(queues, (query, d, names) =>
        query(`SELECT name FROM (${namesOf(d)}) q WHERE name = ANY($1)`, [names]),
      ),

    async snapshots(queues) {
      const all = await perSchema<QueueSnapshot>(queues, (query, d) =>
        snapshotQueues(query, target.name, d),
      );
      const byKey = new Map(all.map((snapshot) => [keyOf(snapshot), snapshot]));
      return queues.flatMap((ref) => byKey.get(keyOf(ref)) ?? []);
    },

    async holding(queues, id) {
      if (!isUuid(id)) return [];
      return among(queues, (query, d, names) => {
        const tables = d.has('archive') ? (['job', 'archive'] as const) : (['job'] as const);
        const parts = tables.map(
          (table) => `SELECT name FROM ${d.table(table)} WHERE name = ANY($1) AND id = $2`,
        );
        return query(parts.join(' UNION '), [names, id]);
      });
    },

    async *jobs(queue, filter, bare) {
      yield* listJobs(read, await dialectFor(queue), queue, filter, bare);
    },

    async show(queue, id) {
      const d = await dialectFor(queue);
      return read((query) => showJob(query, d, queue, id));
    },

    async stats(queue, sample) {
      const d = await dialectFor(queue);
      return read((query) => statsOf(query, d, queue, sample));
    },

    async readOnlyBecause(queue) {
      return (await dialectFor(queue)).readOnlyBecause;
    },

    async preview(queue, operation, jobs) {
      const d = await dialectFor(queue);
      return read((query) => previewOf(query, d, queue.queue, operation, jobs));
    },

    async apply(queue, operation, jobs) {
      const d = await dialectFor(queue);
      if (d.readOnlyBecause) throw new CacheOpsError('refused', d.readOnlyBecause, READING_WORKS);
      const write = (session: PostgresSession, some: readonly Chosen[]) =>
        retried(() =>
          session.write(async (query) => {
            await assertVersion(query, d);
            return applyTo(query, d, queue, operation, some);
          }),
        );
      // Two at once: a backend of Postgres works on one core.
      const half = jobs.length < WORTH_SHARING ? jobs.length : Math.ceil(jobs.length / 2);
      const shares = [jobs.slice(0, half), jobs.slice(half)].filter((share) => share.length > 0);
      return inWords(target, limits, async () => {
        // Both have ended before either's failure is told: nothing goes on behind it.
        const ended = await Promise.allSettled(
          shares.map((share, lane) => write(writing[lane] as PostgresSession, share)),
        );
        return ended.flatMap((share) => {
          if (share.status === 'rejected') throw share.reason;
          return share.value;
        });
      });
    },

    async setPaused({ queue }) {
      throw new CacheOpsError(
        'refused',
        `pg-boss has no pause: ${queue} runs as long as its workers do`,
        'stop its workers, or cancel its waiting jobs: a retry resumes them',
      );
    },

    async close() {
      await Promise.all([reading, ...writing].map((session) => session.close()));
    },
  };
}

const READING_WORKS = 'queue ls, stats, jobs and show work';

const keyOf = ({ scope, queue }: QueueRef) => JSON.stringify([scope, queue]);

async function readDialects(
  query: Query,
  target: PostgresTarget,
  wanted: readonly string[] | undefined,
): Promise<Map<string, Dialect>> {
  const found = await findSchemas(query);
  const absent = wanted?.find((name) => !found.some(({ schema }) => schema === name));
  if (absent !== undefined) throw missing(absent, target);
  const dialects = new Map<string, Dialect>();
  for (const boss of found)
    if (wanted === undefined || wanted.includes(boss.schema))
      dialects.set(boss.schema, dialectOf(boss, await readTables(query, boss.schema)));
  return dialects;
}

/** Fewer jobs are changed sooner than a second connection is made. */
const WORTH_SHARING = 200;

/** An application may have migrated the schema since this command began. */
async function assertVersion(query: Query, d: Dialect): Promise<void> {
  const version = await readVersion(query, d.schema);
  if (version === d.version) return;
  throw new CacheOpsError(
    'refused',
    `schema ${d.schema} went from version ${d.version} to ${version} meanwhile: nothing more is changed`,
    'start the command again',
  );
}

function missing(schema: string, { name, address }: PostgresTarget): CacheOpsError {
  return new CacheOpsError(
    'not_found',
    `there is no pg-boss in the schema ${schema} of ${name} (${address}), or it may not be read`,
    'check queues in the configuration, and GRANT USAGE and SELECT on the schema to its user',
  );
}
