import type { Config } from '../../config/load.js';
import type { Query } from '../../postgres/client.js';
import { withEngines } from '../../queues/engines.js';
import type { QueueRef } from '../../queues/queue.js';
import type { Limits } from '../../redis/channel.js';

/** The jobs by which queues bring the batches of a task round now. */
export async function jobsOf(query: Query, task: string): Promise<{ kind: string; id: string }[]> {
  return query(
    `SELECT t.kind, b.job_id AS id FROM asl_schema.asl_screening_batches b
     JOIN asl_schema.asl_screening_tasks t ON t.id = b.task_id
     WHERE t.id = $1 AND b.job_id IS NOT NULL`,
    [task],
  );
}

/** Removes jobs of a drill's own task, which nobody would ask for again; one that a worker holds is left to it. */
export async function removeJobs(
  config: Config,
  kind: string,
  ids: readonly string[],
  limits: Limits,
): Promise<void> {
  await withEngines(config, limits, async (engines) => {
    for (const engine of engines) {
      const places = placesOf(config, kind).filter(
        (place) => place.engine === engine.name && place.source === engine.source,
      );
      for (const queue of await engine.existing(places))
        await engine.apply(
          queue,
          { type: 'remove', cascade: false },
          ids.map((id) => ({ id, seen: '' })),
        );
    }
  });
}

/** Where a queue of that kind may be. Neither engine takes colons in a name. */
function placesOf({ queues }: Config, kind: string): QueueRef[] {
  const queue = kind.replaceAll(':', '-');
  return queues.map((entry) =>
    entry.engine === 'bullmq'
      ? { engine: entry.engine, source: entry.redis, scope: entry.prefix, queue }
      : { engine: entry.engine, source: entry.postgres, scope: entry.schema ?? 'pgboss', queue },
  );
}
