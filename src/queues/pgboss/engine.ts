import { CacheOpsError } from '../../errors.js';
import { type Limits, openPostgres, type Query } from '../../postgres/client.js';
import type { PostgresTarget } from '../../postgres/target.js';
import type { Engine } from '../engine.js';
import type { QueueRef, QueueSnapshot } from '../queue.js';
import { applyTo } from './apply.js';
import { type Dialect, dialectOf } from './dialect.js';
import { eachInWords, inWords } from './failures.js';
import { listJobs } from './listing.js';
import { previewOf } from './preview.js';
import { isUuid } from './rows.js';
import { findSchemas, readTables } from './schemas.js';
import type { Read, Reader } from './segments.js';
import { showJob } from './show.js';
import { namesOf, snapshotQueues } from './snapshot.js';
import { statsOf } from './stats.js';

/**
 * The pg-boss queues of one Postgres; `schemas` undefined: every schema that has pg-boss tables.
 * Reading, choosing and each lane of writing have a connection of their own, made when it is needed:
 * jobs are looked at while more are chosen, and two chunks changed at once. No pg-boss client is
 * opened: it would migrate the schema, or register itself in it.
 */
export function openPgboss(
  target: PostgresTarget,
  schemas: readonly string[] | undefined,
  limits: Limits,
): Engine {
  const reading = openPostgres(target, limits);
  const choosing = openPostgres(target, limits);
  const writing = Array.from({ length: LANES }, () =>
    openPostgres(target, limits, { pipeline: true }),
  );
  const lend = lender(writing);
  const read: Read = (work) => inWords(target, limits, () => reading.read(work));
  const scan: Reader['scan'] = (text, values, size) =>
    eachInWords(target, limits, choosing.cursor(text, values, size));
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
    lanes: LANES,

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
      yield* listJobs({ read, scan }, await dialectFor(queue), queue, filter, bare);
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

    async apply(queue, operation, jobs, noted) {
      const d = await dialectFor(queue);
      if (d.readOnlyBecause) throw new CacheOpsError('refused', d.readOnlyBecause, READING_WORKS);
      return lend((session) =>
        inWords(target, limits, () => applyTo(session, d, queue, operation, jobs, noted)),
      );
    },

    async setPaused({ queue }) {
      throw new CacheOpsError(
        'refused',
        `pg-boss has no pause: ${queue} runs as long as its workers do`,
        'stop its workers, or cancel its waiting jobs: a retry resumes them',
      );
    },

    async close() {
      await Promise.all([reading, choosing, ...writing].map((session) => session.close()));
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

/** A backend of Postgres works on one core. */
const LANES = 2;

/** Gives each piece of work one of them for itself, the first that is free. */
function lender<Tool>(tools: readonly Tool[]): <T>(work: (tool: Tool) => Promise<T>) => Promise<T> {
  const free = [...tools];
  const waiting: ((tool: Tool) => void)[] = [];
  return async (work) => {
    const tool = free.shift() ?? (await new Promise<Tool>((resolve) => waiting.push(resolve)));
    try {
      return await work(tool);
    } finally {
      const next = waiting.shift();
      if (next) next(tool);
      else free.unshift(tool);
    }
  };
}

function missing(schema: string, { name, address }: PostgresTarget): CacheOpsError {
  return new CacheOpsError(
    'not_found',
    `there is no pg-boss in the schema ${schema} of ${name} (${address}), or it may not be read`,
    'check queues in the configuration, and GRANT USAGE and SELECT on the schema to its user',
  );
}
