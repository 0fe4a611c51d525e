import type { Operation } from '../operation.js';
import type { Dialect } from './dialect.js';
import { expiryOf, seenOf } from './rows.js';

/**
 * pg-boss's own time for a job that waits. Maintenance archives or deletes a waiting job whose
 * keep_until has passed, in every version, so a job that is to run again needs it anew.
 */
const KEEP = "interval '14 days'";

/**
 * One statement that changes those of the chosen jobs ($1 queue, $2 ids, $3 what was seen) that still
 * fit, and returns them as they were. Rows are locked in one order, so that two operators on the same
 * jobs wait for one another rather than deadlock; what is locked is looked at again as it is then.
 */
export function statementOf(operation: Operation, d: Dialect): string {
  switch (operation.type) {
    case 'retry':
      return retry(d);
    case 'cancel':
      return cancel(d);
    case 'remove':
      return remove(d, operation.cascade);
    case 'promote':
      return promote(d);
    case 'redrive':
      return redrive(d);
  }
}

/** Jobs that were changed, as they were before: those that have all of it in common. */
export interface Changed {
  ids: string[];
  state: string;
  heartbeat_seconds: number | null;
  /** It was counted in its queue's retained_count (pg-boss 12.38). */
  retained: boolean;
  /** The job that took its place, for a dead letter; null: the other queue did not take it. */
  new_id: string | null;
}

function held(d: Dialect, guard: string): string {
  return `held AS (
    SELECT j.id, j.state::text AS state, j.completed_on, ${d.job('heartbeat_seconds', 'j', 'NULL::int')} AS heartbeat_seconds
    FROM ${d.table('job')} j
    JOIN unnest($2::uuid[], $3::text[]) AS chosen (id, seen) ON j.id = chosen.id
    WHERE j.name = $1 AND ${guard} AND ${isAsSeen(d)}
    ORDER BY j.id FOR UPDATE OF j)`;
}

function returned(d: Dialect, from = 'changed', newId = 'NULL'): string {
  const retained = d.has('queue', 'retained_on')
    ? `(state IN ('completed', 'cancelled')
        AND completed_on <= (SELECT retained_on FROM ${d.table('queue')} WHERE name = $1)) IS TRUE`
    : 'false';
  // One row for all rather than one for each: a thousand rows take the client as long as the server
  // takes to find them.
  return `SELECT string_agg(id::text, ' ') AS ids, state, heartbeat_seconds, retained, new_id
    FROM (SELECT id, state, heartbeat_seconds, ${retained} AS retained, ${newId}::text AS new_id
      FROM ${from}) c GROUP BY state, heartbeat_seconds, retained, new_id`;
}

/**
 * Beyond what boss.retry() does: completed_on is cleared (10 and 11 keep it, and their maintenance
 * archives or deletes the job by it) and keep_until is renewed. A cancelled job becomes created, as
 * boss.resume() has it; upsert_by_key goes with it, or it collides with a newer job of its key.
 */
function retry(d: Dialect): string {
  const guard = `(j.state = 'failed' OR (j.state = 'cancelled'
    AND coalesce(${expiryOf(d, 'j')} <= now(), true)))`;
  const upsert = d.has('job', 'upsert_by_key')
    ? `, upsert_by_key = CASE WHEN j.state = 'cancelled' THEN NULL ELSE j.upsert_by_key END`
    : '';
  const changes = `
      state = (CASE WHEN j.state = 'cancelled' THEN 'created' ELSE 'retry' END)::${d.stateType},
      retry_limit = CASE WHEN j.state = 'cancelled' THEN j.retry_limit ELSE j.retry_limit + 1 END,
      completed_on = NULL,
      start_after = ${d.now},
      keep_until = greatest(j.keep_until, ${d.now} + ${KEEP})${upsert}`;
  if (d.has('queue', 'retained_on')) {
    return `WITH ${held(d, guard)}, changed AS (
      UPDATE ${d.table('job')} j SET ${changes}
      FROM held WHERE j.name = $1 AND j.id = held.id RETURNING held.*)
    ${returned(d)}`;
  }
  // Where nothing is counted, what it became says what it was. To lock each row first writes it
  // twice; a deadlock of two operators is run anew instead.
  return `WITH changed AS (
    UPDATE ${d.table('job')} j SET ${changes}
    FROM unnest($2::uuid[], $3::text[]) AS chosen (id, seen)
    WHERE j.name = $1 AND j.id = chosen.id AND ${guard} AND ${isAsSeen(d)}
    RETURNING j.id, CASE j.state::text WHEN 'created' THEN 'cancelled' ELSE 'failed' END AS state,
      NULL::int AS heartbeat_seconds)
  ${returned(d)}`;
}

/** A job of the queue still looks as it did when it was chosen, in a schema that is still the same. */
function isAsSeen(d: Dialect): string {
  return `(chosen.seen = '' OR chosen.seen = ${seenOf(d, 'j')})
    AND (SELECT version FROM ${d.table('version')} LIMIT 1) = ${d.version}`;
}

function cancel(d: Dialect): string {
  return `WITH ${held(d, "j.state IN ('created', 'retry', 'active')")}, changed AS (
    UPDATE ${d.table('job')} j SET state = 'cancelled', completed_on = ${d.now}
    FROM held WHERE j.name = $1 AND j.id = held.id RETURNING held.*)
  ${returned(d)}`;
}

function promote(d: Dialect): string {
  const guard = `j.state IN ('created', 'retry') AND j.start_after > now()
    AND NOT ${d.job('blocked', 'j', 'false')}`;
  return `WITH ${held(d, guard)}, changed AS (
    UPDATE ${d.table('job')} j SET start_after = ${d.now},
      keep_until = greatest(j.keep_until, ${d.now} + ${KEEP})
    FROM held WHERE j.name = $1 AND j.id = held.id RETURNING held.*)
  ${returned(d)}`;
}

/** boss.deleteJob() has no guard: it deletes what a worker has, and what others wait for. */
function remove(d: Dialect, cascade: boolean): string {
  const flow = d.has('job_dependency')
    ? `AND NOT (j.blocking AND EXISTS (${dependentsOf(d, 'j.name', 'j.id')}))`
    : '';
  return `WITH ${held(d, `j.state <> 'active' ${cascade ? '' : flow}`)}, changed AS (
    DELETE FROM ${d.table('job')} j USING held WHERE j.name = $1 AND j.id = held.id RETURNING held.*)
  ${returned(d)}`;
}

/** Jobs that still wait for a job (pg-boss calls it their parent). */
export function dependentsOf(d: Dialect, name: string, id: string): string {
  return `SELECT c.name, c.id FROM ${d.table('job_dependency')} dep
    JOIN ${d.table('job')} c ON c.name = dep.child_name AND c.id = dep.child_id AND c.blocked
    WHERE dep.parent_name = ${name} AND dep.parent_id = ${id}`;
}

/** All that wait for these jobs ($1 queue, $2 ids), and for those in turn: they can never run without them. */
export function descendantsOf(d: Dialect): string {
  return `WITH RECURSIVE descendant (root, name, id) AS (
    SELECT p.id, c.name, c.id FROM unnest($2::uuid[]) AS p (id),
      LATERAL (${dependentsOf(d, '$1', 'p.id')}) c
    UNION
    SELECT p.root, c.name, c.id FROM descendant p,
      LATERAL (${dependentsOf(d, 'p.name', 'p.id')}) c)`;
}

/** What a dead letter becomes in its queue, as boss.redrive() of 12.38 has it: m is the letter, q the queue. */
const REDRIVEN: Record<string, string> = {
  data: 'm.data',
  priority: 'm.priority',
  singleton_key: 'm.singleton_key',
  group_id: 'm.group_id',
  group_tier: 'm.group_tier',
  trace_context: 'm.trace_context',
  source_root_id: 'coalesce(m.source_root_id, m.source_id)',
  // In pg-boss 10 a queue need not say them; the letter took its limit over from the job that failed.
  retry_limit: 'coalesce(q.retry_limit, m.retry_limit)',
  retry_delay: 'coalesce(q.retry_delay, 0)',
  retry_backoff: 'coalesce(q.retry_backoff, false)',
  retry_delay_max: 'q.retry_delay_max',
  expire_seconds: 'q.expire_seconds',
  expire_in: "coalesce(q.expire_seconds * interval '1s', interval '15 minutes')",
  deletion_seconds: 'q.deletion_seconds',
  heartbeat_seconds: 'q.heartbeat_seconds',
  policy: 'q.policy',
  dead_letter: 'q.dead_letter',
};

/** $4 is the queue for letters that do not name theirs. The letter goes only when its job is there. */
function redrive(d: Dialect): string {
  const columns = Object.keys(REDRIVEN).filter((column) => d.has('job', column));
  const retention = d.has('queue', 'retention_seconds')
    ? "q.retention_seconds * interval '1s'"
    : `coalesce(q.retention_minutes * interval '1 minute', ${KEEP})`;
  const source = `coalesce(${d.job('source_name', 'm')}, $4::text)`;
  const join = (table: string) =>
    `JOIN ${d.table('queue')} q ON q.name = ${source.replaceAll('m.', `${table}.`)}`;
  return `WITH ${held(d, "j.state IN ('created', 'retry')")},
  letter AS (SELECT held.*, gen_random_uuid() AS new_id FROM held),
  sent AS (
    INSERT INTO ${d.table('job')} (id, name, start_after, created_on, keep_until, ${columns.join(', ')})
    SELECT letter.new_id, q.name, ${d.now}, ${d.now}, ${d.now} + ${retention},
      ${columns.map((column) => REDRIVEN[column]).join(', ')}
    FROM letter JOIN ${d.table('job')} m ON m.name = $1 AND m.id = letter.id ${join('m')}
    ORDER BY m.created_on, m.id
    ON CONFLICT DO NOTHING RETURNING id),
  changed AS (
    SELECT letter.*, sent.id AS sent_id FROM letter LEFT JOIN sent ON sent.id = letter.new_id),
  removed AS (
    DELETE FROM ${d.table('job')} j USING changed
    WHERE j.name = $1 AND j.id = changed.id AND changed.sent_id IS NOT NULL)
  ${returned(d, 'changed', 'sent_id')}`;
}
