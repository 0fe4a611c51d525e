import { CacheOpsError } from '../../errors.js';
import type { PostgresSession, Query } from '../../postgres/client.js';
import type { Chosen, Operation, Outcome } from '../operation.js';
import type { QueueRef } from '../queue.js';
import { allOrNone, changing, together } from './change.js';
import { circumstances, sourcesOf } from './circumstances.js';
import type { Dialect } from './dialect.js';
import { retried } from './failures.js';
import { fencedBy, judge, type Verdict } from './judge.js';
import { archivedById, rowsById } from './listing.js';
import { isUuid } from './rows.js';
import { readVersion } from './schemas.js';
import { type Changed, descendantsOf } from './statements.js';

/**
 * Changes the chosen jobs of a queue; an outcome for each, in their order. Most are done by one
 * statement in one round trip; the others go through a transaction that can tell why they are not.
 * Nothing is committed before `noted`, nor where the schema has another version by now.
 */
export async function applyTo(
  session: PostgresSession,
  d: Dialect,
  ref: QueueRef,
  operation: Operation,
  jobs: readonly Chosen[],
  noted: Promise<void> | undefined,
): Promise<Outcome[]> {
  const verdicts = new Map<string, Verdict>();
  if (isOneStep(operation, d, jobs)) {
    await noted;
    const change = changing(session.writeOne, d, ref.queue, operation);
    const known = jobs.filter(({ id }) => isUuid(id));
    const changed = await retried(() => allOrNone(change, known));
    const [first] = changed;
    if (first && first.ids.length === jobs.length) {
      const verdict = verdictOf(operation, first);
      return outcomesOf(ref, jobs, () => verdict);
    }
    note(verdicts, operation, changed);
  }
  const rest = jobs.filter(({ id }) => !verdicts.has(id.toLowerCase()));
  if (rest.length > 0) {
    const work = async (query: Query) => {
      const version = assertVersion(query, d);
      // Sent behind it.
      const judged = inTransaction(query, d, ref.queue, operation, rest);
      judged.catch(() => {});
      await Promise.all([version, noted]);
      return judged;
    };
    const others = await retried(() => session.write(work));
    for (const [id, verdict] of others) verdicts.set(id, verdict);
  }
  return outcomesOf(ref, jobs, (id) => verdicts.get(id.toLowerCase()) as Verdict);
}

function outcomesOf(
  { engine, source, scope, queue }: QueueRef,
  jobs: readonly Chosen[],
  verdictFor: (id: string) => Verdict,
): Outcome[] {
  return jobs.map(({ id }) => {
    const { result, detail } = verdictFor(id);
    // Field by field: spread objects take ten times the memory.
    return { engine, source, scope, queue, id, result, detail };
  });
}

/** Whether the statement is all that there is to do: no count changes, nothing goes along. */
function isOneStep(operation: Operation, d: Dialect, jobs: readonly Chosen[]): boolean {
  const isCounted = d.has('queue', 'retained_on');
  switch (operation.type) {
    case 'cancel':
    case 'promote':
      return true;
    case 'retry':
      // Cancelled jobs are among the retained ones, failed ones are not.
      return !isCounted || jobs.every(({ seen }) => seen.startsWith('failed:'));
    case 'remove':
      return !isCounted && !operation.cascade;
    case 'redrive':
      return false;
  }
}

function note(
  verdicts: Map<string, Verdict>,
  operation: Operation,
  changed: readonly Changed[],
): void {
  for (const jobs of changed) {
    const verdict = verdictOf(operation, jobs);
    for (const id of jobs.ids) verdicts.set(id, verdict);
  }
}

/** A verdict for each job, by its id in lower case. */
async function inTransaction(
  query: Query,
  d: Dialect,
  queue: string,
  operation: Operation,
  jobs: readonly Chosen[],
): Promise<Map<string, Verdict>> {
  const known = jobs.filter(({ id }) => isUuid(id));
  const sources = operation.type === 'redrive' ? await sourcesOf(query, d, queue) : [];
  const origin = sources.length === 1 ? sources[0] : null;
  const change = changing(query, d, queue, operation, origin);
  const { changed, refused } = await together(query, change, known);
  const moved = changed.filter(({ new_id }) => operation.type !== 'redrive' || new_id !== null);
  if (operation.type === 'remove' && operation.cascade)
    await removeDescendants(query, d, queue, moved);
  await count(query, d, queue, operation, moved);

  const verdicts = new Map<string, Verdict>();
  note(verdicts, operation, moved);
  const rest = known.filter(({ id }) => !verdicts.has(id.toLowerCase()));
  const explain = await explanation(query, d, queue, operation, rest, refused);
  for (const { id, seen } of jobs) {
    const key = id.toLowerCase();
    if (!verdicts.has(key)) verdicts.set(key, explain(key, seen));
  }
  return verdicts;
}

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
    [queue, removed.flatMap(({ ids }) => ids)],
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
  const retained = moved
    .filter((jobs) => jobs.retained)
    .reduce((sum, { ids }) => sum + ids.length, 0);
  if (retained === 0) return;
  await query(
    `UPDATE ${d.table('queue')} SET retained_count = greatest(retained_count - $2::int, 0),
       total_count = greatest(total_count - $3::int, 0) WHERE name = $1`,
    [queue, retained, type === 'remove' ? retained : 0],
  );
}
