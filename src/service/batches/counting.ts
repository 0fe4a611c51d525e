/** $1 task, $2 batch, $3 fence, $4 next item, $5 whether it was the last, $6 results, $7 what was saved. */
export const CHECKPOINT = `
  WITH held AS (
    UPDATE asl_schema.asl_screening_batches
    SET current_index = $4, heartbeat_at = now(), last_checkpoint = now(), deaths = 0,
      state = CASE WHEN $5 THEN 'completed' ELSE state END, finished_at = CASE WHEN $5 THEN now() END
    WHERE task_id = $1 AND batch_index = $2 AND fence = $3 AND state = 'processing'
    RETURNING task_id
  ), saved AS (
    INSERT INTO asl_schema.asl_screening_results (task_id, item_index, status, result)
    SELECT held.task_id, r.index, r.status, r.value
    FROM held, jsonb_to_recordset($6) AS r(index int, status text, value jsonb)
    RETURNING status
  ), counted AS (
    UPDATE asl_schema.asl_screening_tasks
    SET processed_items = processed_items + (SELECT count(*) FROM saved),
      success_items = success_items + (SELECT count(*) FROM saved WHERE status = 'success'),
      failed_items = failed_items + (SELECT count(*) FROM saved WHERE status = 'failed'),
      conflict_items = conflict_items + (SELECT count(*) FROM saved WHERE status = 'conflict'),
      current_batch_index = $2, current_index = $4, last_checkpoint = now(), checkpoint_data = $7,
      processed_batches = processed_batches + $5::boolean::int,
      ${endOfTask('$5::boolean::int', '0')}
    WHERE id = (SELECT task_id FROM held)
  )
  SELECT task_id FROM held`;

/** The task's end when its last batch ends. Counted on its row, whose lock two ends that meet wait for. */
function endOfTask(done: string, failed: string): string {
  const over = `(${done} + ${failed} > 0 AND processed_batches + failed_batches + ${done} + ${failed} >= total_batches)`;
  return `
      status = CASE WHEN NOT ${over} THEN status
        WHEN failed_batches + ${failed} > 0 THEN 'failed' ELSE 'completed' END,
      finished_at = CASE WHEN ${over} THEN now() ELSE finished_at END`;
}

/** After `ended`, the batches that have just ended, with their tasks. */
export const COUNT_FAILED = `
  UPDATE asl_schema.asl_screening_tasks t
  SET failed_batches = failed_batches + e.failed, ${endOfTask('0', 'e.failed')}
  FROM (SELECT task_id, count(*) FILTER (WHERE state = 'failed')::int AS failed FROM ended GROUP BY 1) e
  WHERE t.id = e.task_id AND e.failed > 0`;
