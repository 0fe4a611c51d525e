import type { Query } from '../../postgres/client.js';
import type { Chosen, Impact, Operation } from '../operation.js';
import { circumstances, descendants } from './circumstances.js';
import type { Dialect } from './dialect.js';
import { judge } from './judge.js';
import { archivedById, rowsById } from './listing.js';
import { isUuid, type Row } from './rows.js';

/** What an operation would do to each job, by how it stands; reads only. */
export async function previewOf(
  query: Query,
  d: Dialect,
  queue: string,
  operation: Operation,
  jobs: readonly Chosen[],
): Promise<Impact[]> {
  const ids = jobs.map(({ id }) => id.toLowerCase()).filter(isUuid);
  const rows = await rowsById(query, d, queue, ids);
  const archived = await archivedById(
    query,
    d,
    queue,
    ids.filter((id) => !rows.has(id)),
  );
  const around = await circumstances(query, d, queue, operation, rows);
  const waiting = await descendants(query, d, queue, ids);
  const parents = await parentsOf(query, d, queue, ids);
  const clashing = operation.type === 'retry' ? await clashes(query, d, queue, ids) : new Set();
  const taken = new Set<string>();
  return jobs.map(({ id: given, seen }) => {
    const id = given.toLowerCase();
    const row = rows.get(id) ?? archived.get(id);
    let { result, detail } = judge(operation, row, seen, row && around(row));
    if (row && operation.type === 'retry' && result === 'done') {
      const place = placeOf(row);
      if (clashing.has(id) || (place !== undefined && taken.has(place))) {
        result = 'conflict';
        detail = `its queue's policy ${row.policy ?? ''} allows one job with its key here`;
      } else if (place !== undefined) taken.add(place);
    }
    return {
      id: given,
      result,
      becomes: detail,
      parents: parents.filter((link) => link.root === id).map(nameOf),
      children: waiting.filter((link) => link.root === id).map(nameOf),
      scheduler: null,
    };
  });
}

const nameOf = ({ queue, id }: { queue: string; id: string }) => `${queue}:${id}`;

/** The place that only one job of a queue may have once it is retried; undefined: there is room for many. */
function placeOf({ policy, state, singleton_key: key }: Row): string | undefined {
  const target = state === 'cancelled' ? 'created' : 'retry';
  if (policy === 'stately') return `${policy} ${target} ${key ?? ''}`;
  if (policy === 'exclusive') return `${policy} ${key ?? ''}`;
  return policy === 'short' && target === 'created' ? `${policy} ${key ?? ''}` : undefined;
}

/**
 * Of these jobs, those whose place in the queue is taken: one unique index a policy (`job_i1`, `i3`,
 * `i6`), and `i4` for throttled jobs, where only cancelled ones do not count.
 */
async function clashes(
  query: Query,
  d: Dialect,
  queue: string,
  ids: readonly string[],
): Promise<Set<string>> {
  if (!d.has('job', 'policy') || !d.has('job', 'singleton_on')) return new Set();
  const other = (condition: string) =>
    `EXISTS (SELECT 1 FROM ${d.table('job')} o WHERE o.name = j.name AND o.id <> j.id
      AND coalesce(o.singleton_key, '') = coalesce(j.singleton_key, '') AND ${condition})`;
  const rows = await query<{ id: string }>(
    `SELECT j.id::text AS id FROM ${d.table('job')} j
     WHERE j.name = $1 AND j.id = ANY($2::uuid[]) AND CASE
       WHEN j.policy = 'stately' AND j.state = 'cancelled'
         THEN ${other("o.policy = 'stately' AND o.state = 'created' AND o.state <= 'active'")}
       WHEN j.policy = 'stately'
         THEN ${other("o.policy = 'stately' AND o.state = 'retry' AND o.state <= 'active'")}
       WHEN j.policy = 'exclusive' THEN ${other("o.policy = 'exclusive' AND o.state <= 'active'")}
       WHEN j.policy = 'short' AND j.state = 'cancelled'
         THEN ${other("o.policy = 'short' AND o.state = 'created'")}
       WHEN j.state = 'cancelled' AND j.singleton_on IS NOT NULL
         THEN ${other("o.singleton_on = j.singleton_on AND o.state <> 'cancelled'")}
       ELSE false END`,
    [queue, ids],
  );
  return new Set(rows.map(({ id }) => id));
}

interface Link {
  root: string;
  queue: string;
  id: string;
}

export async function parentsOf(
  query: Query,
  d: Dialect,
  queue: string,
  ids: readonly string[],
): Promise<Link[]> {
  if (!d.has('job_dependency')) return [];
  return query<Link & Record<string, unknown>>(
    `SELECT child_id::text AS root, parent_name AS queue, parent_id::text AS id
     FROM ${d.table('job_dependency')} WHERE child_name = $1 AND child_id = ANY($2::uuid[])
     ORDER BY 1, 2, 3`,
    [queue, ids],
  );
}
