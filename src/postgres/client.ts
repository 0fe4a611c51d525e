import pg from 'pg';
import { messageOf } from '../errors.js';
import type { PostgresTarget } from './target.js';

/** Milliseconds for connecting and for each answer, and an early end. */
export interface Limits {
  timeout: number;
  signal?: AbortSignal;
}

/** Runs one statement and returns its rows. */
export type Query = <Row extends pg.QueryResultRow>(
  text: string,
  values?: unknown[],
) => Promise<Row[]>;

/**
 * Opens one connection, runs `work` in a read-only transaction, and closes it. The transaction says
 * so itself rather than the session: behind a pooler (PgBouncer) a session's setting would reach
 * other clients, and start-up options are refused. Each answer is awaited for `timeout` ms at most,
 * by the server as well, so that no statement goes on after we have left.
 */
export async function readPostgres<T>(
  { url }: PostgresTarget,
  { timeout, signal }: Limits,
  work: (query: Query) => Promise<T>,
): Promise<T> {
  signal?.throwIfAborted();
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: timeout,
    query_timeout: timeout,
    application_name: 'cache-ops',
  });
  let lost: Error | undefined;
  // Without a listener a connection that breaks between two statements ends the process.
  client.on('error', (error) => {
    lost = error;
  });
  const leave = () => void client.end().catch(() => {});
  signal?.addEventListener('abort', leave, { once: true });
  try {
    await client.connect();
    await client.query('BEGIN TRANSACTION READ ONLY');
    await client.query(`SET LOCAL statement_timeout = ${Math.ceil(timeout)}`);
    const query: Query = async (text, values) => (await client.query(text, values)).rows;
    const result = await work(query);
    await client.query('ROLLBACK');
    return result;
  } catch (error) {
    signal?.throwIfAborted();
    throw lost && messageOf(error) === 'Connection terminated' ? lost : error;
  } finally {
    signal?.removeEventListener('abort', leave);
    leave();
  }
}

/** A name as SQL takes it, whatever is in it. */
export function quoteName(name: string): string {
  return pg.escapeIdentifier(name);
}
