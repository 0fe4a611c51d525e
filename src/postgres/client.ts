import './navigator.js';
import pg from 'pg';
import { messageOf } from '../errors.js';
import type { PostgresTarget } from './target.js';

/** Milliseconds for connecting and for each answer, and an early end. */
export interface Limits {
  timeout: number;
  signal?: AbortSignal;
}

type Mode = 'READ ONLY' | 'READ WRITE';

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
  /**
   * The rows of a query as they are when it begins, `size` at a time, the next of them on their way
   * while the caller works on these. The transaction is open until the last are taken.
   */
  cursor<Row extends pg.QueryResultRow>(
    text: string,
    values: unknown[],
    size: number,
  ): AsyncGenerator<Row[]>;
  /**
   * In a transaction that is committed, or undone when `work` throws. An abort waits for its end.
   * Statements that `work` does not wait for are sent behind one another, in their order.
   */
  write<T>(work: (query: Query) => Promise<T>): Promise<T>;
  /** The same for one statement: the end of its transaction is sent behind it, in one round trip. */
  writeOne: Query;
  close(): Promise<void>;
}

export function openPostgres(
  { url }: PostgresTarget,
  limits: Limits,
  { pipeline = false } = {},
): PostgresSession {
  const { timeout, signal } = limits;
  let client: pg.Client | undefined;
  let lost: Error | undefined;
  let last: Promise<void> = Promise.resolve();

  async function connected(): Promise<pg.Client> {
    if (client) return client;
    lost = undefined;
    const fresh = new pg.Client({
      connectionString: url,
      connectionTimeoutMillis: timeout,
      query_timeout: timeout,
      application_name: 'cache-ops',
      pipeline,
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

  /** Its statements are sent behind the BEGIN, which a replica refuses: the first one is waited for. */
  async function begin(mode: Mode): Promise<pg.Client> {
    const isFresh = client === undefined;
    const current = await connected();
    const longest = Math.ceil(timeout);
    const begun = current.query(
      `BEGIN TRANSACTION ${mode}; SET LOCAL statement_timeout = ${longest}; SET LOCAL datestyle = ISO`,
    );
    if (pipeline && !isFresh) begun.catch(() => {});
    else await begun;
    return current;
  }

  /** What is thrown is what the server or the connection said last. */
  function failed(mode: Mode, error: unknown): unknown {
    // The connection goes with its transaction: whatever state it is in, nothing stays open.
    leave();
    if (mode === 'READ ONLY') signal?.throwIfAborted();
    return lost && messageOf(error) === 'Connection terminated' ? lost : error;
  }

  async function transact<T>(mode: Mode, work: (query: Query) => Promise<T>): Promise<T> {
    signal?.throwIfAborted();
    if (mode === 'READ ONLY') signal?.addEventListener('abort', leave, { once: true });
    try {
      const current = await begin(mode);
      const query: Query = async (text, values) => (await current.query(text, values)).rows;
      const result = await work(query);
      await current.query(mode === 'READ ONLY' ? 'ROLLBACK' : 'COMMIT');
      return result;
    } catch (error) {
      throw failed(mode, error);
    } finally {
      signal?.removeEventListener('abort', leave);
    }
  }

  async function one<Row extends pg.QueryResultRow>(text: string, values?: unknown[]) {
    signal?.throwIfAborted();
    try {
      const current = await begin('READ WRITE');
      // Where the statement fails, COMMIT undoes.
      const [answer, end] = await Promise.allSettled([
        current.query<Row>(text, values),
        current.query('COMMIT'),
      ]);
      if (answer.status === 'rejected') throw answer.reason;
      if (end.status === 'rejected') throw end.reason;
      return answer.value.rows;
    } catch (error) {
      throw failed('READ WRITE', error);
    }
  }

  /** Waits for those before; what is returned lets the next one on. */
  async function turn(): Promise<() => void> {
    const before = last;
    let done = () => {};
    last = new Promise((resolve) => {
      done = resolve;
    });
    await before;
    return done;
  }

  async function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = await turn();
    try {
      return await work();
    } finally {
      done();
    }
  }

  async function* cursor<Row extends pg.QueryResultRow>(
    text: string,
    values: unknown[],
    size: number,
  ): AsyncGenerator<Row[]> {
    const done = await turn();
    let hasEnded = false;
    try {
      signal?.throwIfAborted();
      signal?.addEventListener('abort', leave, { once: true });
      const current = await begin('READ ONLY');
      await current.query(`DECLARE found NO SCROLL CURSOR FOR ${text}`, values);
      const fetch = () => {
        const fetching = current.query<Row>(`FETCH ${size} FROM found`);
        // It may fail while nobody awaits it yet.
        fetching.catch(() => {});
        return fetching;
      };
      let next: ReturnType<typeof fetch> | undefined = fetch();
      while (next) {
        const { rows }: pg.QueryResult<Row> = await next;
        next = rows.length === size ? fetch() : undefined;
        if (rows.length > 0) yield rows;
      }
      await current.query('ROLLBACK');
      hasEnded = true;
    } catch (error) {
      throw failed('READ ONLY', error);
    } finally {
      signal?.removeEventListener('abort', leave);
      // Whoever has seen enough does not come back.
      if (!hasEnded) leave();
      done();
    }
  }

  return {
    read: (work) => inTurn(() => transact('READ ONLY', work)),
    cursor,
    write: (work) => inTurn(() => transact('READ WRITE', work)),
    writeOne: (text, values) => inTurn(() => one(text, values)),
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
