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
 * One connection, made at the first use and kept until it is closed. Each piece of work is one
 * transaction that says what it is itself rather than the session: behind a pooler (PgBouncer) a
 * session's setting would reach other clients, and start-up options are refused. Each answer is
 * awaited for `timeout` ms at most, by the server as well, so that no statement goes on after we
 * have left. Works that are begun together wait for one another.
 */
export interface PostgresSession {
  /** In a transaction that Postgres itself keeps from writing. An abort ends it at once. */
  read<T>(work: (query: Query) => Promise<T>): Promise<T>;
  /** In a transaction that is committed, or undone when `work` throws. An abort waits for its end. */
  write<T>(work: (query: Query) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

export function openPostgres({ url }: PostgresTarget, limits: Limits): PostgresSession {
  const { timeout, signal } = limits;
  let client: pg.Client | undefined;
  let lost: Error | undefined;
  let last: Promise<unknown> = Promise.resolve();

  async function connected(): Promise<pg.Client> {
    if (client) return client;
    lost = undefined;
    const fresh = new pg.Client({
      connectionString: url,
      connectionTimeoutMillis: timeout,
      query_timeout: timeout,
      application_name: 'cache-ops',
    });
    // Without a listener a connection that breaks between two statements ends the process.
    fresh.on('error', (error) => {
      lost = error;
      if (client === fresh) client = undefined;
    });
    client = fresh;
    await fresh.connect();
    return fresh;
  }

  function leave(): void {
    const leaving = client;
    client = undefined;
    void leaving?.end().catch(() => {});
  }

  async function transact<T>(
    mode: 'READ ONLY' | 'READ WRITE',
    work: (query: Query) => Promise<T>,
  ): Promise<T> {
    signal?.throwIfAborted();
    if (mode === 'READ ONLY') signal?.addEventListener('abort', leave, { once: true });
    try {
      const current = await connected();
      const longest = Math.ceil(timeout);
      await current.query(
        `BEGIN TRANSACTION ${mode}; SET LOCAL statement_timeout = ${longest}; SET LOCAL datestyle = ISO`,
      );
      const query: Query = async (text, values) => (await current.query(text, values)).rows;
      const result = await work(query);
      await current.query(mode === 'READ ONLY' ? 'ROLLBACK' : 'COMMIT');
      return result;
    } catch (error) {
      // The connection goes with its transaction: whatever state it is in, nothing stays open.
      leave();
      if (mode === 'READ ONLY') signal?.throwIfAborted();
      throw lost && messageOf(error) === 'Connection terminated' ? lost : error;
    } finally {
      signal?.removeEventListener('abort', leave);
    }
  }

  function inTurn<T>(begin: () => Promise<T>): Promise<T> {
    const turn = last.then(begin, begin);
    last = turn.catch(() => {});
    return turn;
  }

  return {
    read: (work) => inTurn(() => transact('READ ONLY', work)),
    write: (work) => inTurn(() => transact('READ WRITE', work)),
    async close() {
      await last;
      leave();
    },
  };
}

/** Opens one connection, runs `work` in a read-only transaction, and closes it. */
export async function readPostgres<T>(
  target: PostgresTarget,
  limits: Limits,
  work: (query: Query) => Promise<T>,
): Promise<T> {
  const session = openPostgres(target, limits);
  try {
    return await session.read(work);
  } finally {
    await session.close();
  }
}

/** A name as SQL takes it, whatever is in it. */
export function quoteName(name: string): string {
  return pg.escapeIdentifier(name);
}
