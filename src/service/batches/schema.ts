import type pg from 'pg';
import { inTransaction } from '../connection/postgres.js';

/** Any number, the same in every instance: of several that start at once one makes the tables. */
const SCHEMA_LOCK = 7_041_988;

/**
 * Makes the tables of split tasks, unless they are there. A task's row has the figures over all of its
 * batches and the checkpoint that was saved last; each batch has its own place, lease and fence; a
 * result's key lets no item in twice.
 */
export async function createBatchTables(pool: pg.Pool): Promise<void> {
  await inTransaction(pool, async (client) => {
    await client.query('SELECT pg_advisory_xact_lock($1)', [SCHEMA_LOCK]);
    await client.query(TABLES);
  });
}

const TABLES = `
CREATE SCHEMA IF NOT EXISTS asl_schema;
CREATE TABLE IF NOT EXISTS asl_schema.asl_screening_tasks (
  id text PRIMARY KEY,
  user_id text NOT NULL,
  kind text NOT NULL,
  status text NOT NULL DEFAULT 'pending'
    CHECK (status IN ('pending', 'processing', 'completed', 'failed', 'cancelled')),
  total_items integer NOT NULL,
  batch_size integer NOT NULL,
  seconds_per_item double precision,
  total_batches integer NOT NULL,
  processed_batches integer NOT NULL DEFAULT 0,
  failed_batches integer NOT NULL DEFAULT 0,
  current_batch_index integer NOT NULL DEFAULT 0,
  current_index integer NOT NULL DEFAULT 0,
  processed_items integer NOT NULL DEFAULT 0,
  success_items integer NOT NULL DEFAULT 0,
  failed_items integer NOT NULL DEFAULT 0,
  conflict_items integer NOT NULL DEFAULT 0,
  last_checkpoint timestamptz,
  checkpoint_data jsonb,
  created_at timestamptz NOT NULL DEFAULT now(),
  started_at timestamptz,
  finished_at timestamptz
) WITH (fillfactor = 70);
CREATE INDEX IF NOT EXISTS asl_screening_tasks_user ON asl_schema.asl_screening_tasks (user_id, created_at);
CREATE TABLE IF NOT EXISTS asl_schema.asl_screening_batches (
  task_id text NOT NULL REFERENCES asl_schema.asl_screening_tasks (id) ON DELETE CASCADE,
  batch_index integer NOT NULL,
  first_item integer NOT NULL,
  item_count integer NOT NULL,
  items jsonb NOT NULL,
  state text NOT NULL DEFAULT 'pending'
    CHECK (state IN ('pending', 'processing', 'completed', 'failed', 'cancelled')),
  current_index integer NOT NULL DEFAULT 0,
  fence bigint NOT NULL DEFAULT 0,
  owner text,
  attempts integer NOT NULL DEFAULT 0,
  deaths integer NOT NULL DEFAULT 0,
  job_id text,
  enqueued_at timestamptz,
  heartbeat_at timestamptz,
  last_checkpoint timestamptz,
  error text,
  finished_at timestamptz,
  PRIMARY KEY (task_id, batch_index)
) WITH (fillfactor = 70);
CREATE INDEX IF NOT EXISTS asl_screening_batches_open ON asl_schema.asl_screening_batches (state)
  WHERE state IN ('pending', 'processing');
CREATE TABLE IF NOT EXISTS asl_schema.asl_screening_results (
  task_id text NOT NULL REFERENCES asl_schema.asl_screening_tasks (id) ON DELETE CASCADE,
  item_index integer NOT NULL,
  status text NOT NULL CHECK (status IN ('success', 'failed', 'conflict')),
  result jsonb,
  PRIMARY KEY (task_id, item_index)
)`;

/** Whether the tables are there: they are made with the first task, not before. */
export async function haveBatchTables(pool: pg.Pool): Promise<boolean> {
  const { rows } = await pool.query(
    "SELECT to_regclass('asl_schema.asl_screening_batches') IS NOT NULL AS there",
  );
  return rows[0]?.there === true;
}
