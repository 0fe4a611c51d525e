import type { Query } from '../../postgres/client.js';
import type { JobDetail } from '../job.js';
import type { QueueRef } from '../queue.js';
import { destinationOf, sourcesOf } from './circumstances.js';
import type { Dialect } from './dialect.js';
import { judge } from './judge.js';
import { archivedById, rowsById } from './listing.js';
import { parentsOf, previewOf } from './preview.js';
import { type Row, toJob } from './rows.js';

/** A job in depth, also one that pg-boss 9 or 10 has archived. */
export async function showJob(
  query: Query,
  d: Dialect,
  ref: QueueRef,
  given: string,
): Promise<JobDetail | undefined> {
  const id = given.toLowerCase();
  const row =
    (await rowsById(query, d, ref.queue, [id])).get(id) ??
    (await archivedById(query, d, ref.queue, [id])).get(id);
  if (!row) return undefined;
  const [parent] = await parentsOf(query, d, ref.queue, [id]);
  return {
    ...toJob(ref, row),
    result: row.state === 'completed' ? row.output : null,
    stack: stackOf(row.output),
    logs: [],
    progress: null,
    parent: parent ? { id: parent.id, queue: parent.queue } : null,
    children: await childrenOf(query, d, ref.queue, id),
    scheduler: await schedulerOf(query, d, ref.queue, id),
    // A run is known by its attempt (12 settles against it), and is given up when its time is over.
    lock:
      row.state === 'active'
        ? { token: `attempt ${row.retry_count + 1}`, expires_in_ms: row.expires_in_ms }
        : null,
    dead_letter: await deadLetterOf(query, d, row),
    retry: await retryInWords(query, d, ref.queue, row),
  };
}

async function retryInWords(query: Query, d: Dialect, queue: string, row: Row): Promise<string> {
  if (d.readOnlyBecause) return `not by cache-ops: ${d.readOnlyBecause}`;
  const words = [];
  if (row.is_archived) words.push(judge({ type: 'retry' }, row, '').detail);
  else {
    const [impact] = await previewOf(query, d, queue, { type: 'retry' }, [
      { id: row.id, seen: '' },
    ]);
    if (impact) words.push(impact.result === 'done' ? impact.becomes : `no: ${impact.becomes}`);
  }
  if (row.policy && row.policy !== 'standard') words.push(`policy ${row.policy}`);
  if (row.singleton_key) words.push(`key ${row.singleton_key}`);
  return words.join(', ');
}

async function deadLetterOf(query: Query, d: Dialect, row: Row): Promise<JobDetail['dead_letter']> {
  if (!d.has('queue')) return { from: null, to: row.dead_letter };
  const [queue] = d.has('queue', 'dead_letter')
    ? await query<{ dead_letter: string | null }>(
        `SELECT dead_letter FROM ${d.table('queue')} WHERE name = $1`,
        [row.name],
      )
    : [];
  const sources = await sourcesOf(query, d, row.name);
  const from = destinationOf(row, sources, new Set(row.source_name ? [row.source_name] : sources));
  return {
    from: 'queue' in from ? [from.queue, row.source_id].filter(Boolean).join(':') : null,
    to: row.dead_letter ?? queue?.dead_letter ?? null,
  };
}

/** The jobs that wait for this one, or have waited. */
async function childrenOf(
  query: Query,
  d: Dialect,
  queue: string,
  id: string,
): Promise<JobDetail['children']> {
  if (!d.has('job_dependency')) return [];
  return query<JobDetail['children'][number]>(
    `SELECT dep.child_id::text AS id, dep.child_name AS queue,
       coalesce(c.state::text = 'completed', false) AS done
     FROM ${d.table('job_dependency')} dep
     LEFT JOIN ${d.table('job')} c ON c.name = dep.child_name AND c.id = dep.child_id
     WHERE dep.parent_name = $1 AND dep.parent_id = $2 ORDER BY 2, 1`,
    [queue, id],
  );
}

/** Only since schema 41 (12.31) is it said, and only of a schedule's latest job. */
async function schedulerOf(
  query: Query,
  d: Dialect,
  queue: string,
  id: string,
): Promise<string | null> {
  if (!d.has('schedule', 'last_job_id')) return null;
  const [schedule] = await query<{ key: string; cron: string }>(
    `SELECT key, cron FROM ${d.table('schedule')} WHERE name = $1 AND last_job_id = $2`,
    [queue, id],
  );
  return schedule ? [schedule.key, schedule.cron].filter(Boolean).join(' ') : null;
}

/** The serialised error's own, or that of what it wraps. */
function stackOf(output: unknown): string[] {
  if (output === null || typeof output !== 'object') return [];
  if ('stack' in output && typeof output.stack === 'string') return output.stack.split('\n');
  return 'value' in output ? stackOf(output.value) : [];
}
