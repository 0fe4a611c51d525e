import { createHash } from 'node:crypto';
import { CacheOpsError } from '../../errors.js';
import { type Limits, openPostgres, type Query } from '../../postgres/client.js';
import type { PostgresTarget } from '../../postgres/target.js';
import type { Added, JobAdder, NewJob, TakenBack } from '../adding.js';
import { type Dialect, dialectOf } from './dialect.js';
import { inWords } from './failures.js';
import { isUuid } from './rows.js';
import { findSchemas, readTables } from './schemas.js';

/** What a queue says of its jobs, else pg-boss's defaults as the estate has them; by column of `job`. */
const FROM_QUEUE: Record<string, string> = {
  retry_limit: 'coalesce(q.retry_limit, 3)',
  retry_delay: 'coalesce(q.retry_delay, 60)',
  retry_backoff: 'coalesce(q.retry_backoff, true)',
  retry_delay_max: 'q.retry_delay_max',
  expire_seconds: 'q.expire_seconds',
  expire_in: "coalesce(q.expire_seconds * interval '1s', interval '4 hours')",
  deletion_seconds: 'q.deletion_seconds',
  heartbeat_seconds: 'q.heartbeat_seconds',
  policy: 'q.policy',
  dead_letter: 'q.dead_letter',
};

/** Adds jobs to pg-boss queues. No pg-boss client is opened: it would migrate the schema. */
export function pgbossAdder(
  target: PostgresTarget,
  schema: string | undefined,
  limits: Limits,
): JobAdder {
  const session = openPostgres(target, limits);
  let found: Promise<Dialect> | undefined;
  const dialect = () => {
    found ??= inWords(target, limits, () => session.read((query) => readDialect(query, schema)));
    return found;
  };
  const ids = (jobs: readonly NewJob[]) => [
    jobs.map(({ queue }) => queue),
    jobs.map((job) => idOf(job)),
  ];
  const numbered = 'unnest($1::text[], $2::uuid[]) AS asked (name, id)';
  const there = async (query: Query, d: Dialect, jobs: readonly NewJob[]) => {
    const rows = await query<{ id: string }>(
      `SELECT j.id FROM ${numbered} JOIN ${d.table('job')} j ON j.name = asked.name AND j.id = asked.id`,
      ids(jobs),
    );
    return new Set(rows.map(({ id }) => id));
  };
  return {
    idOf,
    footprint: null,
    async has(jobs) {
      const d = await dialect();
      return inWords(target, limits, () =>
        session.read(async (query) => {
          const known = await there(query, d, jobs);
          return jobs.map((job) => known.has(idOf(job)));
        }),
      );
    },
    async add(jobs) {
      const d = await dialect();
      if (d.readOnlyBecause) throw new CacheOpsError('refused', d.readOnlyBecause);
      return inWords(target, limits, () =>
        session.write(async (query) => {
          const known = await there(query, d, jobs);
          const rows = await query<{ id: string }>(insert(d), [
            ...ids(jobs),
            jobs.map(({ data }) => data),
            jobs.map(({ priority }) => priority),
            jobs.map(({ delay }) => delay),
          ]);
          const added = new Set(rows.map(({ id }) => id));
          return jobs.map((job): Added => {
            if (added.has(idOf(job))) return 'added';
            return known.has(idOf(job)) ? 'there' : 'no_queue';
          });
        }),
      );
    },
    async takeBack(jobs) {
      const d = await dialect();
      return inWords(target, limits, () =>
        session.write(async (query) => {
          const rows = await query<{ id: string }>(
            `DELETE FROM ${d.table('job')} j USING ${numbered}
             WHERE j.name = asked.name AND j.id = asked.id AND j.state = 'created'
               AND j.started_on IS NULL RETURNING j.id`,
            ids(jobs),
          );
          const removed = new Set(rows.map(({ id }) => id));
          const left = await there(query, d, jobs);
          return jobs.map((job): TakenBack => {
            if (removed.has(idOf(job))) return 'removed';
            return left.has(idOf(job)) ? 'started' : 'gone';
          });
        }),
      );
    },
    close: () => session.close(),
  };
}

/** pg-boss takes UUIDs only: one made of queue and id (as version 5, RFC 9562) is the same every time. */
function idOf({ queue, id }: Pick<NewJob, 'queue' | 'id'>): string {
  if (isUuid(id)) return id.toLowerCase();
  const hash = createHash('sha1').update(`cache-ops:${queue}:${id}`).digest();
  hash[6] = ((hash[6] as number) & 0x0f) | 0x50;
  hash[8] = ((hash[8] as number) & 0x3f) | 0x80;
  const hex = hash.toString('hex');
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    hex.slice(12, 16),
    hex.slice(16, 20),
    hex.slice(20, 32),
  ].join('-');
}

function insert(d: Dialect): string {
  const columns = Object.keys(FROM_QUEUE).filter((column) => d.has('job', column));
  const values = columns.map((column) =>
    // What this version's queue does not say is the default of the job.
    (FROM_QUEUE[column] as string).replace(/q\.(\w+)/g, (whole, name) =>
      d.has('queue', name) ? whole : 'NULL',
    ),
  );
  const keep = d.has('queue', 'retention_seconds')
    ? "coalesce(q.retention_seconds * interval '1s', interval '7 days')"
    : d.has('queue', 'retention_minutes')
      ? "coalesce(q.retention_minutes * interval '1 minute', interval '7 days')"
      : "interval '7 days'";
  return `WITH asked AS (
    SELECT * FROM unnest($1::text[], $2::uuid[], $3::text[], $4::int[], $5::float8[])
      WITH ORDINALITY AS a (name, id, data, priority, delay, place))
  INSERT INTO ${d.table('job')}
    (id, name, data, priority, start_after, created_on, keep_until${columns.map((name) => `, ${name}`).join('')})
  SELECT asked.id, q.name, asked.data::jsonb, asked.priority,
    ${d.now} + asked.delay * interval '1 ms',
    -- In the order of the source: workers take the oldest first.
    ${d.now} + asked.place * interval '1 microsecond',
    ${d.now} + asked.delay * interval '1 ms' + ${keep}${values.map((value) => `, ${value}`).join('')}
  FROM asked JOIN ${d.table('queue')} q ON q.name = asked.name
  ORDER BY asked.place
  ON CONFLICT DO NOTHING RETURNING id`;
}

async function readDialect(query: Query, wanted: string | undefined): Promise<Dialect> {
  const schemas = await findSchemas(query);
  const named = wanted === undefined ? schemas : schemas.filter(({ schema }) => schema === wanted);
  const [only, ...others] = named;
  if (!only || others.length > 0) {
    const found = schemas.map(({ schema }) => schema).join(', ') || 'none';
    throw new CacheOpsError(
      'not_found',
      `which pg-boss schema? There is ${found}`,
      'name it in the configuration: queues: [{ engine: pgboss, postgres: ..., schema: ... }]',
    );
  }
  return dialectOf(only, await readTables(query, only.schema));
}
