import pg from 'pg';

export interface PostgresOptions {
  url: string;
  /** Most connections at a time. */
  max?: number;
  /** Longest wait for a connection and for an answer, in milliseconds. */
  timeoutMs?: number;
  onError?: (error: unknown) => void;
}

/**
 * A pool that gives up rather than wait for a Postgres that is away. Without a listener a connection
 * that breaks while it rests would end the process.
 */
export function createPool({ url, max = 5, timeoutMs = 5_000, onError }: PostgresOptions): pg.Pool {
  const pool = new pg.Pool({
    connectionString: url,
    max,
    connectionTimeoutMillis: timeoutMs,
    query_timeout: timeoutMs,
    // The server gives up as well: an answer that nobody waits for must not be carried out later.
    statement_timeout: timeoutMs,
    idle_in_transaction_session_timeout: 60_000,
    application_name: 'cache-ops-service',
  });
  pool.on('error', (error) => onError?.(error));
  return pool;
}

/** Runs `work` in one transaction; undone when it throws. */
export async function inTransaction<T>(
  pool: pg.Pool,
  work: (client: pg.PoolClient) => Promise<T>,
): Promise<T> {
  const client = await pool.connect();
  try {
    await client.query('BEGIN');
    const result = await work(client);
    await client.query('COMMIT');
    client.release();
    return result;
  } catch (error) {
    // Whatever state it is in, nothing stays open: the connection goes with its transaction.
    client.release(true);
    throw error;
  }
}

/** Who works alone on a pool: one connection of it waits for the lock, rather than all of them. */
const turns = new WeakMap<pg.Pool, Promise<unknown>>();

/** Runs `work` while nobody else does under this number, in this process or in another on the same database. */
export function alone<T>(pool: pg.Pool, number: number, work: () => Promise<T>): Promise<T> {
  const before = turns.get(pool)?.catch(() => {}) ?? Promise.resolve();
  const turn = before.then(async () => {
    const client = await pool.connect();
    try {
      await client.query('SELECT pg_advisory_lock($1)', [number]);
      return await work();
    } finally {
      // The lock goes with its connection.
      client.release(true);
    }
  });
  turns.set(pool, turn);
  return turn;
}

/**
 * JSON as jsonb takes it. A NUL and half a surrogate pair are legal in JSON, and refused there: they become
 * U+FFFD, rather than that one odd text stops a whole batch.
 */
export function jsonbText(value: unknown): string {
  const text = JSON.stringify(value);
  if (!/\\u(0000|d[89a-f])/i.test(text)) return text;
  const replace = (part: string) => part.replace(/\0|\p{Surrogate}/gu, '\ufffd');
  return JSON.stringify(value, (_, part: unknown) =>
    typeof part === 'string' ? replace(part) : part,
  );
}
