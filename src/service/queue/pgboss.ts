import { createHash, randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import PgBoss from 'pg-boss';
import type { Json } from '../cache/types.js';
import { alone } from '../connection/postgres.js';
import {
  CancelledError,
  checkPush,
  engineName,
  type Handler,
  type JobProgress,
  type JobQueue,
  type JobState,
  type JobView,
  KEEP,
  type PushOptions,
} from './types.js';

export interface PgbossOptions {
  pool: pg.Pool;
  name: string;
  /** Schema of pg-boss (default `platform_schema`). */
  schema?: string;
  onError: (error: unknown) => void;
  /** How often it looks for jobs, in milliseconds (default 500). */
  pollMs?: number;
}

/** The estate's defaults. The pause before the second attempt is longer than with BullMQ. */
const JOB_DEFAULTS = {
  retryLimit: 3,
  retryDelay: 60,
  retryBackoff: true,
  expireInHours: 4,
  retentionDays: 7,
} as const;

/** Any number. Two that make the schema or a queue at once are a deadlock for Postgres, and one of them fails. */
const START_LOCK = 7_041_989;

/** What a job holds: the id as the caller knows it, and the data. */
interface Payload {
  id: string;
  data: Json;
}

/** Jobs in Postgres by pg-boss 10. It keeps no progress: that is in a table of ours beside its own. */
export class PgbossQueue implements JobQueue {
  readonly engine = 'pgboss';
  readonly #options: PgbossOptions;
  readonly #schema: string;
  readonly #name: string;
  readonly #boss: PgBoss;
  readonly #stops = new Map<string, AbortController>();
  readonly #running = new Set<Promise<void>>();
  #started: Promise<void> | undefined;
  #taking: Promise<void> | undefined;
  #closed = false;

  constructor(options: PgbossOptions) {
    const { pool, schema = 'platform_schema', name } = options;
    this.#options = options;
    this.#schema = schema;
    this.#name = engineName(name);
    this.#boss = new PgBoss({
      db: { executeSql: (text, values) => pool.query(text, values) },
      schema,
      deleteAfterDays: 30,
    });
    // Without a listener an error (Postgres is away) would end the process.
    this.#boss.on('error', options.onError);
  }

  async push(data: Json, options: PushOptions = {}): Promise<string> {
    checkPush(options);
    const { id, delayMs, priority } = options;
    await this.#start();
    const job = id === undefined ? randomUUID() : uuidOf(id);
    const payload = { id: id ?? job, data };
    const startAfter = delayMs && { startAfter: new Date(Date.now() + delayMs) };
    // One that is there already is left as it is: an insert that finds its id does nothing.
    await this.#boss.insert([
      {
        id: job,
        name: this.#name,
        data: payload,
        ...(priority !== undefined && { priority }),
        ...(startAfter && { startAfter: startAfter.startAfter.toISOString() }),
      },
    ]);
    return id ?? job;
  }

  async process(handler: Handler, { concurrency = 1 } = {}): Promise<void> {
    await this.#start();
    this.#taking = this.#take(handler, concurrency);
  }

  async get(id: string): Promise<JobView | undefined> {
    await this.#start();
    const job = await this.#boss.getJobById<Payload>(this.#name, uuidOf(id));
    if (!job) return undefined;
    const { rows } = await this.#options.pool.query<{ percent: number; message: string | null }>(
      `SELECT percent, message FROM ${this.#schema}.job_progress WHERE id = $1`,
      [uuidOf(id)],
    );
    const [progress] = rows;
    const { state, retryCount, output } = job;
    const result = output as { value?: Json; message?: string } | null;
    return {
      id,
      data: job.data.data,
      state: STATES[state] ?? 'pending',
      progress: {
        percent: progress?.percent ?? 0,
        ...(progress?.message && { message: progress.message }),
      },
      attempts: state === 'created' ? 0 : retryCount + (state === 'retry' ? 0 : 1),
      ...(state === 'completed' && result?.value !== undefined && { result: result.value }),
      ...(result?.message && { error: result.message }),
    };
  }

  async cancel(id: string): Promise<boolean> {
    const { rowCount } = await this.#query(
      `UPDATE ${this.#schema}.job SET state = 'cancelled', completed_on = now()
       WHERE name = $1 AND id = $2 AND state < 'completed'`,
      [this.#name, uuidOf(id)],
    );
    this.#stops.get(uuidOf(id))?.abort(new CancelledError());
    return (rowCount ?? 0) > 0;
  }

  /** Not by `boss.retry`: it keeps `completed_on`, and maintenance then takes the job for an old one. */
  async retry(id: string): Promise<boolean> {
    const { rowCount } = await this.#query(
      `UPDATE ${this.#schema}.job
       SET state = 'retry', retry_count = 0, completed_on = NULL, start_after = now(),
         keep_until = greatest(keep_until, now() + interval '7 days')
       WHERE name = $1 AND id = $2 AND state = 'failed'`,
      [this.#name, uuidOf(id)],
    );
    return (rowCount ?? 0) > 0;
  }

  async cleanUp(): Promise<number> {
    const { rowCount } = await this.#query(
      `WITH ended AS (
         SELECT id, state, completed_on,
           row_number() OVER (PARTITION BY state ORDER BY completed_on DESC) AS rank
         FROM ${this.#schema}.job WHERE name = $1 AND state >= 'completed'
       )
       DELETE FROM ${this.#schema}.job j USING ended e
       WHERE j.name = $1 AND j.id = e.id AND e.completed_on < now() - $2 * interval '1 ms'
         AND e.rank > CASE WHEN e.state = 'failed' THEN $3 ELSE $4 END`,
      [this.#name, KEEP.ms, KEEP.failed, KEEP.completed],
    );
    return rowCount ?? 0;
  }

  async close(graceMs = 5_000): Promise<void> {
    this.#closed = true;
    const timer = setTimeout(() => {
      for (const stop of this.#stops.values()) stop.abort(new Error('closing'));
    }, graceMs);
    await this.#taking;
    await Promise.allSettled(this.#running);
    clearTimeout(timer);
    if (this.#started)
      await this.#boss.stop({ graceful: false, close: false, wait: false }).catch(() => {});
  }

  async #query(text: string, values: unknown[]): Promise<pg.QueryResult> {
    await this.#start();
    return this.#options.pool.query(text, values);
  }

  /** Makes the schema, the queue and the table of progress; again when Postgres was away. */
  #start(): Promise<void> {
    this.#started ??= alone(this.#options.pool, START_LOCK, () => this.#open()).catch(
      (error: unknown) => {
        this.#started = undefined;
        throw error;
      },
    );
    return this.#started;
  }

  async #open(): Promise<void> {
    await this.#boss.start();
    await this.#boss.createQueue(this.#name, { name: this.#name, ...JOB_DEFAULTS });
    await this.#options.pool.query(
      `CREATE TABLE IF NOT EXISTS ${this.#schema}.job_progress (
         id uuid PRIMARY KEY, percent double precision NOT NULL, message text,
         updated_at timestamptz NOT NULL DEFAULT now())`,
    );
  }

  /** Fetches for itself: `boss.work` takes the next jobs only when a whole batch of them has ended. */
  async #take(handler: Handler, concurrency: number): Promise<void> {
    const { pollMs = 500, onError } = this.#options;
    while (!this.#closed) {
      const free = concurrency - this.#running.size;
      try {
        const jobs =
          free > 0
            ? await this.#boss.fetch<Payload>(this.#name, {
                batchSize: free,
                includeMetadata: true,
              })
            : [];
        for (const job of jobs) {
          const run = this.#run(job, handler)
            .catch(onError)
            .finally(() => this.#running.delete(run));
          this.#running.add(run);
        }
        if (jobs.length > 0 && free > jobs.length) continue;
      } catch (error) {
        onError(error);
      }
      // Until one of them ends, or it is time to look again.
      await Promise.race([sleep(pollMs), ...this.#running]);
    }
  }

  async #run(job: PgBoss.JobWithMetadata<Payload>, handler: Handler): Promise<void> {
    const stop = new AbortController();
    this.#stops.set(job.id, stop);
    try {
      const value = await handler({
        id: job.data.id,
        data: job.data.data,
        attempt: job.retryCount + 1,
        attempts: job.retryLimit + 1,
        signal: stop.signal,
        progress: (progress) => this.#progress(job.id, progress, stop),
      });
      // What was cancelled meanwhile stays so: `complete` changes active jobs only.
      await this.#boss.complete(this.#name, job.id, value === undefined ? {} : { value });
    } catch (error) {
      const failure = error instanceof Error ? error : new Error(String(error));
      if (failure instanceof CancelledError) return;
      await this.#boss.fail(this.#name, job.id, { message: failure.message });
    } finally {
      this.#stops.delete(job.id);
    }
  }

  /** Stores it unless the job is active no more; then it was cancelled. */
  async #progress(
    id: string,
    { percent, message }: JobProgress,
    stop: AbortController,
  ): Promise<void> {
    stop.signal.throwIfAborted();
    const { rowCount } = await this.#options.pool.query(
      `INSERT INTO ${this.#schema}.job_progress (id, percent, message)
       SELECT id, $3, $4 FROM ${this.#schema}.job WHERE name = $1 AND id = $2 AND state = 'active'
       ON CONFLICT (id) DO UPDATE SET percent = $3, message = $4, updated_at = now()`,
      [this.#name, id, percent, message ?? null],
    );
    if (rowCount !== 0) return;
    const cancelled = new CancelledError();
    stop.abort(cancelled);
    throw cancelled;
  }
}

const STATES: Record<string, JobState> = {
  created: 'pending',
  retry: 'pending',
  active: 'processing',
  completed: 'completed',
  cancelled: 'cancelled',
  failed: 'failed',
};

/** pg-boss has UUIDs for ids: one made of the caller's, always the same. */
function uuidOf(id: string): string {
  if (/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(id)) return id;
  const hex = createHash('sha256').update(id).digest('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-5${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}
