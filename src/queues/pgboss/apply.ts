import { codeOf } from '../../errors.js';
import type { Query } from '../../postgres/client.js';
import type { Chosen, Operation, Outcome } from '../operation.js';
import type { QueueRef } from '../queue.js';
import { circumstances, sourcesOf } from './circumstances.js';
import type { Dialect } from './dialect.js';
import { fencedBy, judge, type Verdict } from './judge.js';
import { archivedById, isUuid, rowsById } from './listing.js';
import { type Changed, descendantsOf, statementOf } from './statements.js';

const UNIQUE_VIOLATION = '23505';

/** Changes the chosen jobs of a queue in one transaction; an outcome for each, in their order. */
export async function applyTo(
  query: Query,
  d: Dialect,
  ref: QueueRef,
  operation: Operation,
  jobs: readonly Chosen[],
): Promise<Outcome[]> {
  const chosen = jobs.filter(({ id }) => isUuid(id));
  const sources = operation.type === 'redrive' ? await sourcesOf(query, d, ref.queue) : [];
  // Null where it is ambiguous: such letters stay.
  const source = sources.length === 1 ? sources[0] : null;
  const change = (some: readonly Chosen[]) =>
    query<Changed & Record<string, unknown>>(statementOf(operation, d), [
      ref.queue,
      some.map(({ id }) => id),
      some.map(({ seen }) => seen),
      ...(operation.type === 'redrive' ? [source] : []),
    ]);
  const { changed, refused } = await together(query, chosen, change);
  const moved = changed.filter(({ new_id }) => operation.type !== 'redrive' || new_id !== null);
  if (operation.type === 'remove' && operation.cascade)
    await removeDescendants(query, d, ref.queue, moved);
  await count(query, d, ref.queue, operation, moved);

  const verdicts = new Map(moved.map((job) => [job.id, verdictOf(operation, job)]));
  const rest = chosen.filter(({ id }) => !verdicts.has(id.toLowerCase()));
  const explain = await explanation(query, d, ref.queue, operation, rest, refused);
  return jobs.map((job) => {
    const id = job.id.toLowerCase();
    return { ...ref, id: job.id, ...(verdicts.get(id) ?? explain(id, job.seen)) };
  });
}

/**
 * All at once, and one by one when a unique index of the queue's policy (short, stately, exclusive,
 * a throttle) refuses one of them: pg-boss gives the whole batch up then.
 */
async function together(
  query: Query,
  chosen: readonly Chosen[],
  change: (some: readonly Chosen[]) => Promise<Changed[]>,
): Promise<{ changed: Changed[]; refused: Set<string> }> {
  const refused = new Set<string>();
  if (chosen.length === 0) return { changed: [], refused };
  const all = await tried(query, () => change(chosen));
  if (all) return { changed: all, refused };
  const changed: Changed[] = [];
  for (const job of chosen) {
    const one = await tried(query, () => change([job]));
    if (one) changed.push(...one);
    else refused.add(job.id.toLowerCase());
  }
  return { changed, refused };
}

/** Undefined when a unique index refused it; the transaction goes on as if it had not been tried. */
async function tried<T>(query: Query, work: () => Promise<T>): Promise<T | undefined> {
  await query('SAVEPOINT tried');
  try {
    const result = await work();
    await query('RELEASE SAVEPOINT tried');
    return result;
  } catch (error) {
    if (codeOf(error) !== UNIQUE_VIOLATION) throw error;
    await query('ROLLBACK TO SAVEPOINT tried');
    return undefined;
  }
}

function verdictOf(operation: Operation, { state, heartbeat_seconds, new_id }: Changed): Verdict {
  switch (operation.type) {
    case 'retry':
      return { result: 'done', detail: state === 'cancelled' ? 'resumed' : 'waiting' };
    case 'cancel':
      return state === 'active'
        ? { result: 'fenced', detail: fencedBy(heartbeat_seconds) }
        : { result: 'done', detail: 'cancelled before it started; a retry resumes it' };
    case 'remove':
      return {
        result: 'done',
        detail: operation.cascade ? 'removed, and what waited for it' : 'removed',
      };
    case 'promote':
      return { result: 'done', detail: 'waiting' };
    case 'redrive':
      return { result: 'done', detail: `sent back as ${new_id}` };
  }
}

/** Why each of the others was left alone, by how it stands now. */
async function explanation(
  query: Query,
  d: Dialect,
  queue: string,
  operation: Operation,
  rest: readonly Chosen[],
  refused: ReadonlySet<string>,
): Promise<(id: string, seen: string) => Verdict> {
  const ids = rest.map(({ id }) => id);
  if (ids.length === 0) return (_, seen) => judge(operation, undefined, seen);
  const rows = await rowsById(query, d, queue, ids);
  const missing = ids.filter((id) => !rows.has(id.toLowerCase()));
  const archived = await archivedById(query, d, queue, missing);
  const around = await circumstances(query, d, queue, operation, rows);
  return (id, seen) => {
    const row = rows.get(id) ?? archived.get(id);
    const verdict = judge(operation, row, seen, row && around(row));
    if (verdict.result !== 'done' && verdict.result !== 'fenced') return verdict;
    // It would fit: a rule of the queue refused it, or it has only become so by now.
    return refused.has(id) || operation.type === 'redrive'
      ? {
          result: 'conflict',
          detail: `the queue it would wait in has a job with its key${keyOf(row?.singleton_key)}; its policy allows one`,
        }
      : { result: 'raced', detail: 'it changed at that moment' };
  };
}

export function keyOf(key: string | null | undefined): string {
  return key ? ` ${key}` : '';
}

async function removeDescendants(
  query: Query,
  d: Dialect,
  queue: string,
  removed: readonly Changed[],
): Promise<void> {
  if (!d.has('job_dependency') || removed.length === 0) return;
  await query(
    `${descendantsOf(d)} DELETE FROM ${d.table('job')} j USING descendant
     WHERE j.name = descendant.name AND j.id = descendant.id AND j.blocked`,
    [queue, removed.map(({ id }) => id)],
  );
}

/** As boss.deleteJob() and boss.resume() of 12.38 keep a queue's counts, and last: it locks its row. */
async function count(
  query: Query,
  d: Dialect,
  queue: string,
  { type }: Operation,
  moved: readonly Changed[],
): Promise<void> {
  const retained = moved.filter((job) => job.retained).length;
  if (retained === 0) return;
  await query(
    `UPDATE ${d.table('queue')} SET retained_count = greatest(retained_count - $2::int, 0),
       total_count = greatest(total_count - $3::int, 0) WHERE name = $1`,
    [queue, retained, type === 'remove' ? retained : 0],
  );
}
