import { codeOf } from '../../errors.js';
import type { Query } from '../../postgres/client.js';
import type { Chosen, Operation } from '../operation.js';
import type { Dialect } from './dialect.js';
import { type Changed, statementOf } from './statements.js';

const UNIQUE_VIOLATION = '23505';

/** Changes jobs of a queue (their ids UUIDs), all or, where it throws, none. */
export type Change = (jobs: readonly Chosen[]) => Promise<Changed[]>;

/** `origin`: where dead letters go that do not say it; null: such letters stay. */
export function changing(
  query: Query,
  d: Dialect,
  queue: string,
  operation: Operation,
  origin: string | null = null,
): Change {
  const text = statementOf(operation, d);
  return async (jobs) => {
    const rows = await query<Omit<Changed, 'ids'> & { ids: string } & Record<string, unknown>>(
      text,
      [
        queue,
        arrayOf(jobs.map(({ id }) => id)),
        arrayOf(jobs.map(({ seen }) => seen)),
        ...(operation.type === 'redrive' ? [origin] : []),
      ],
    );
    return rows.map((row) => ({ ...row, ids: row.ids.split(' ') }));
  };
}

/** As Postgres writes an array of texts; the client would look into each of them for what to escape. */
function arrayOf(texts: readonly string[]): string | readonly string[] {
  const joined = texts.join('","');
  const isPlain = /^[\w:.",-]*$/.test(joined) && joined.split('"').length === 2 * texts.length - 1;
  return isPlain ? `{"${joined}"}` : texts;
}

/** All at once outside of a transaction; none where a unique index of the queue's policy refuses one. */
export async function allOrNone(change: Change, jobs: readonly Chosen[]): Promise<Changed[]> {
  try {
    return await change(jobs);
  } catch (error) {
    if (codeOf(error) !== UNIQUE_VIOLATION) throw error;
    return [];
  }
}

/**
 * All at once, and one by one when a unique index of the queue's policy (short, stately, exclusive,
 * a throttle) refuses one of them: pg-boss gives the whole batch up then.
 */
export async function together(
  query: Query,
  change: Change,
  jobs: readonly Chosen[],
): Promise<{ changed: Changed[]; refused: Set<string> }> {
  const refused = new Set<string>();
  if (jobs.length === 0) return { changed: [], refused };
  const all = await tried(query, () => change(jobs));
  if (all) return { changed: all, refused };
  const changed: Changed[] = [];
  for (const job of jobs) {
    const one = await tried(query, () => change([job]));
    if (one) {
      changed.push(...one);
      await query('RELEASE SAVEPOINT tried');
    } else refused.add(job.id.toLowerCase());
  }
  return { changed, refused };
}

/** Undefined when a unique index refused it; the transaction goes on as if it had not been tried. */
async function tried<T>(query: Query, work: () => Promise<T>): Promise<T | undefined> {
  const saved = query('SAVEPOINT tried');
  // Sent behind it: where it fails, so does the work.
  saved.catch(() => {});
  try {
    return await work();
  } catch (error) {
    if (codeOf(error) !== UNIQUE_VIOLATION) throw error;
    await query('ROLLBACK TO SAVEPOINT tried');
    return undefined;
  }
}
